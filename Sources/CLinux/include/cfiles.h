// Files and directories, for the journal and who reads it. Every call answers what the kernel
// answers, with `-errno` in the place of -1.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cl_open_mode {
  // Of what is there, file or directory.
  CL_READ,
  // A new file, mode 0600; -EEXIST where one is there.
  CL_CREATE,
  // A file that is made where it is missing, mode 0600.
  CL_READ_WRITE,
};

// Descriptors are closed on exec.
int cl_open(const char *path, enum cl_open_mode mode);
// Under an open directory.
int cl_open_at(int directory, const char *name, enum cl_open_mode mode);
// Reads and writes at a place; the descriptor's own place stays.
ptrdiff_t cl_pread(int file, void *into, ptrdiff_t count, int64_t offset);
ptrdiff_t cl_pwrite(int file, const void *from, ptrdiff_t count, int64_t offset);
int cl_truncate(int file, int64_t size);
int64_t cl_file_size(int file);
// The size of what a path names, without opening it; -EISDIR for a directory.
int64_t cl_path_size(const char *path);
// The content and what is needed to find it; times are left out.
int cl_fdatasync(int file);
// All of a file, or the names in a directory.
int cl_fsync(int file);

// Mode 0700.
int cl_make_directory(const char *path);
int cl_remove_directory(const char *path);
int cl_unlink(const char *path);
int cl_rename(const char *from, const char *to);
// The names in a directory but `.` and `..`, each ended by a NUL. Answers the bytes that all of
// them take; where that is more than `capacity`, ask again with as much.
ptrdiff_t cl_names(const char *path, char *into, ptrdiff_t capacity);

// Takes the lock of an open file (flock(2)) without waiting: -EAGAIN where another has it.
// Shared ones go together; closing the file gives it back.
int cl_lock(int file, bool is_shared);
// Whether names may be made in a directory: 0, or why not.
int cl_may_write(const char *path);
// Whether the last name of an open file was taken away.
bool cl_is_unlinked(int file);

// A non-blocking inotify(7).
int cl_watcher_create(void);
// Watches a directory for names that come and files that grow; answers the watch.
int cl_watch(int watcher, const char *path);
int cl_unwatch(int watcher, int watch);
// Takes what has happened, without looking at it; 0 where nothing had.
int cl_watcher_clear(int watcher);
// Takes what has happened: the names that were moved to what is watched, each ended by a NUL, as
// many as fit; answers their bytes. At least 4 KiB.
ptrdiff_t cl_watcher_names(int watcher, char *into, ptrdiff_t capacity);

// Waits until there is something to read; 1: there is, 0: the time is over. Negative: no end.
int cl_wait_readable(int descriptor, int milliseconds);
