// A leak, loaded into a program that has none: what a soak must catch. LEAK=relay keeps 512 bytes
// for each connection that is accepted; LEAK=descriptors one descriptor for each hundred of them;
// LEAK=courier 2 KiB for each file that is put in its place. Nothing else changes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int is(const char *kind) {
  const char *leak = getenv("LEAK");
  return leak && strcmp(leak, kind) == 0;
}

// The address is stored where the compiler must believe that somebody reads it.
static void *volatile kept;
static volatile int kept_descriptor;

static void keep(size_t bytes) {
  kept = malloc(bytes);
  if (kept) memset(kept, 1, bytes);
}

typedef int accept4_function(int, struct sockaddr *, socklen_t *, int);
typedef int rename_function(const char *, const char *);

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
  static accept4_function *original;
  static unsigned count;
  if (!original) original = (accept4_function *)dlsym(RTLD_NEXT, "accept4");
  int made = original(listener, address, length, flags);
  if (made >= 0 && is("relay")) keep(512);
  if (made >= 0 && is("descriptors") && ++count % 100 == 0) kept_descriptor = dup(STDERR_FILENO);
  return made;
}

int rename(const char *from, const char *to) {
  static rename_function *original;
  if (!original) original = (rename_function *)dlsym(RTLD_NEXT, "rename");
  if (is("courier")) keep(2048);
  return original(from, to);
}
