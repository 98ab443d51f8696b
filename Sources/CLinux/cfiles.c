// The calls of cfiles.h: each is one call of the kernel, or of libc, with its error as the answer.
#define _GNU_SOURCE 1
#include "cfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static ptrdiff_t answer(ptrdiff_t result) { return result < 0 ? -(ptrdiff_t)errno : result; }

int cl_open_at(int directory, const char *name, enum cl_open_mode mode) {
  static const int flags[] = {
      [CL_READ] = O_RDONLY,
      [CL_CREATE] = O_RDWR | O_CREAT | O_EXCL,
      [CL_READ_WRITE] = O_RDWR | O_CREAT,
  };
  // A pipe that somebody laid there must not hold us up.
  const int always = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  return (int)answer(openat(directory, name, flags[mode] | always, 0600));
}

int cl_open(const char *path, enum cl_open_mode mode) { return cl_open_at(AT_FDCWD, path, mode); }

ptrdiff_t cl_pread(int file, void *into, ptrdiff_t count, int64_t offset) {
  return answer(pread(file, into, (size_t)count, offset));
}

ptrdiff_t cl_pwrite(int file, const void *from, ptrdiff_t count, int64_t offset) {
  return answer(pwrite(file, from, (size_t)count, offset));
}

int cl_truncate(int file, int64_t size) { return (int)answer(ftruncate(file, size)); }

int64_t cl_file_size(int file) {
  struct stat found;
  return fstat(file, &found) < 0 ? -(int64_t)errno : found.st_size;
}

int64_t cl_path_size(const char *path) {
  struct stat found;
  if (stat(path, &found) < 0) return -(int64_t)errno;
  return S_ISDIR(found.st_mode) ? -(int64_t)EISDIR : found.st_size;
}

int cl_fdatasync(int file) { return (int)answer(fdatasync(file)); }
int cl_fsync(int file) { return (int)answer(fsync(file)); }

int cl_make_directory(const char *path) { return (int)answer(mkdir(path, 0700)); }
int cl_remove_directory(const char *path) { return (int)answer(rmdir(path)); }
int cl_unlink(const char *path) { return (int)answer(unlink(path)); }
int cl_rename(const char *from, const char *to) { return (int)answer(rename(from, to)); }

ptrdiff_t cl_names(const char *path, char *into, ptrdiff_t capacity) {
  DIR *directory = opendir(path);
  if (directory == NULL) return -(ptrdiff_t)errno;
  ptrdiff_t needed = 0;
  int error = 0;
  while (true) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (entry == NULL) {
      error = errno;
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    ptrdiff_t length = (ptrdiff_t)strlen(entry->d_name) + 1;
    if (needed + length <= capacity) memcpy(into + needed, entry->d_name, (size_t)length);
    needed += length;
  }
  closedir(directory);
  return error ? -(ptrdiff_t)error : needed;
}

int cl_may_write(const char *path) {
  return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

bool cl_is_unlinked(int file) {
  struct stat now;
  return fstat(file, &now) == 0 && now.st_nlink == 0;
}

int cl_lock(int file, bool is_shared) {
  return (int)answer(flock(file, (is_shared ? LOCK_SH : LOCK_EX) | LOCK_NB));
}

int cl_watcher_create(void) { return (int)answer(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }

int cl_watch(int watcher, const char *path) {
  const uint32_t events = IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF;
  return (int)answer(inotify_add_watch(watcher, path, events | IN_ONLYDIR));
}

int cl_unwatch(int watcher, int watch) { return (int)answer(inotify_rm_watch(watcher, watch)); }

int cl_watcher_clear(int watcher) {
  _Alignas(struct inotify_event) char events[4096];
  int taken = 0;
  while (true) {
    ssize_t length = read(watcher, events, sizeof events);
    if (length < 0) return errno == EAGAIN ? taken : -errno;
    taken = 1;
  }
}

ptrdiff_t cl_watcher_names(int watcher, char *into, ptrdiff_t capacity) {
  _Alignas(struct inotify_event) char events[4096];
  ptrdiff_t used = 0;
  // One read brings fewer bytes of names than of events.
  while (capacity - used >= (ptrdiff_t)sizeof events) {
    ssize_t length = read(watcher, events, sizeof events);
    if (length < 0) return errno == EAGAIN ? used : -errno;
    for (char *at = events; at < events + length;) {
      const struct inotify_event *event = (const struct inotify_event *)at;
      at += sizeof *event + event->len;
      if (!(event->mask & IN_MOVED_TO) || event->len == 0) continue;
      ptrdiff_t count = (ptrdiff_t)strlen(event->name) + 1;
      memcpy(into + used, event->name, (size_t)count);
      used += count;
    }
  }
  return used;
}

int cl_wait_readable(int descriptor, int milliseconds) {
  struct pollfd entry = {.fd = descriptor, .events = POLLIN};
  return (int)answer(poll(&entry, 1, milliseconds));
}
