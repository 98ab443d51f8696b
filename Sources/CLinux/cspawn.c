// A second process of this program: started, watched, and waited for.
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int cl_pair_create(int ends[2]) {
  int done = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
  return done < 0 ? -errno : 0;
}

int cl_spawn(const char *const *words, int descriptor, int as) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0) return -ENOMEM;
  if (posix_spawnattr_init(&attributes) != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return -ENOMEM;
  }
  // What the relay ignores or catches is its own affair.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  // Of two numbers that are one the kernel would keep "close on exec": it goes round by another.
  posix_spawn_file_actions_adddup2(&actions, descriptor, as);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t process = -1;
  int failed =
      posix_spawn(&process, words[0], &actions, &attributes, (char *const *)words, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return failed != 0 ? -failed : process;
}

int cl_end(int process) { return kill(process, SIGKILL) < 0 ? -errno : 0; }

int64_t cl_ended(int process) {
  int status = 0;
  pid_t found = waitpid(process, &status, WNOHANG);
  if (found < 0) return -errno;
  if (found == 0) return -EAGAIN;
  return status;
}
