// System calls and constants that Swift cannot import by itself. Every call answers what the kernel
// answers, with `-errno` in the place of -1, so that no caller reads `errno`. Nothing here retries
// and nothing here decides: that is the business of Syscall.swift.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cfiles.h"

// IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d), in host byte order.
typedef struct {
  uint64_t high;
  uint64_t low;
  uint16_t port;
} cl_address;

// Dotted quad or IPv6 text without brackets.
bool cl_parse_address(const char *text, uint16_t port, cl_address *into);
// False for a family that is neither IPv4 nor IPv6.
bool cl_read_sockaddr(const struct sockaddr *from, cl_address *into);

// Sockets. All descriptors are made non-blocking and closed on exec.
// `is_shared`: others may listen on the same address (SO_REUSEPORT).
int cl_listen(const cl_address *at, int backlog, bool is_only_v6, bool is_shared);
// Makes a listening socket that somebody else has opened one of ours, and says where it listens.
int cl_adopt_listener(int descriptor, cl_address *at);
int cl_bound_port(int descriptor);
int cl_accept(int listener, cl_address *peer);
// A new TCP socket of the family of `address`.
int cl_socket(const cl_address *address);
int cl_connect(int descriptor, const cl_address *address);
// What became of a non-blocking connect: 0 or -errno.
int cl_connect_result(int descriptor);
// TCP_NODELAY, and TCP_USER_TIMEOUT of that many milliseconds; sockets accepted inherit both.
int cl_set_options(int descriptor, unsigned user_timeout_milliseconds);
// Makes the close of this socket a reset.
int cl_set_abortive(int descriptor);
int cl_shutdown_write(int descriptor);
ptrdiff_t cl_recv(int descriptor, void *into, ptrdiff_t count);
// Throws away what has come on a TCP socket, without a copy (MSG_TRUNC, tcp(7)).
ptrdiff_t cl_discard(int descriptor, ptrdiff_t count);
ptrdiff_t cl_send(int descriptor, const void *from, ptrdiff_t count);
// Has the kernel stamp what comes with the time (SO_TIMESTAMPNS, socket(7)).
int cl_set_stamped(int descriptor);
// The wall clock's time, in nanoseconds, at which what is to be read next came; where more came
// soon after it, the time of the last of these. 0: nothing is there, or it has no stamp.
int64_t cl_came_at(int descriptor);
int cl_close(int descriptor);

// The loop.
int cl_epoll_create(void);
int cl_epoll_set(int epoll, int operation, int descriptor, uint32_t events, uint64_t data);
// Waits for at most `nanoseconds`; negative: without end.
int cl_epoll_wait(int epoll, struct epoll_event *events, int max, int64_t nanoseconds);
// The same for kernels that do not know it: for at most `milliseconds`.
int cl_epoll_wait_coarse(int epoll, struct epoll_event *events, int max, int milliseconds);
int64_t cl_monotonic(void);
int64_t cl_wall(void);
// The processor's time of this thread.
int64_t cl_thread_time(void);
// Until the monotonic clock says so, or a signal comes.
void cl_sleep_until(int64_t nanoseconds);

// A counter that wakes a waiting reader: eventfd. `cl_counter_take` answers the count and zeroes
// it.
int cl_counter_create(bool blocking);
// The same, where each `cl_counter_take` waits for one and takes no more than that.
int cl_semaphore_create(void);
int cl_counter_add(int counter);
int64_t cl_counter_take(int counter);

// Signals. SIGTERM and SIGINT add 1 to the counter; SIGPIPE is ignored. Others that would end the
// process and mean nothing here add 1 << 32, unless somebody else takes them.
int cl_signals_to(int counter);
// Which of the others came since the last time: bit 0 is signal 1.
uint64_t cl_strange_signals(void);
// "USR1"; NULL for one without a name.
const char *cl_signal_name(int number);

const char *cl_error_text(int error);
int cl_random(void *into, ptrdiff_t count);
ptrdiff_t cl_write(int descriptor, const void *from, ptrdiff_t count);
// Waits until the descriptor takes bytes again, for descriptors that somebody made non-blocking.
int cl_wait_writable(int descriptor);
// This thread gives way to the others of the process: no real time, and a higher nice value.
void cl_give_way(void);
// The bytes of address space that the process may have; negative: no bound.
int64_t cl_address_space_limit(void);
// Raises the soft limit of open descriptors to `wanted` where it is lower, the hard limit too where
// that is allowed; answers the limit that holds afterwards.
int64_t cl_raise_descriptor_limit(int64_t wanted);

// Processes.
// Two sockets that carry whole messages to each other.
int cl_pair_create(int ends[2]);
// Starts `words[0]` with these words (NULL behind the last) and this environment; in it
// `descriptor` is number `as`, standard input is empty, and standard output goes where standard
// error does. The new process, or -errno.
int cl_spawn(const char *const *words, int descriptor, int as);
// How a process of ours has ended, as waitpid(2) says it; -EAGAIN: it runs.
int64_t cl_ended(int process);
// Ends it at once.
int cl_end(int process);

// Debug builds only, for tests: on this thread, the calls named by `call` fail with `error`,
// `times` times, after `skip` calls that go through.
enum cl_call {
  CL_ACCEPT,
  CL_SOCKET,
  CL_CONNECT,
  CL_RECV,
  CL_SEND,
  CL_EPOLL_WAIT,
  CL_EPOLL_WAIT_COARSE,
  CL_CALLS
};
void cl_force(enum cl_call call, int error, int skip, int times);
