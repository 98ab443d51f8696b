// The calls of clinux.h: each is one call of the kernel, or of libc, with its error as the answer.
#define _GNU_SOURCE 1
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef DEBUG
static __thread struct { int error, skip, times; } forced[CL_CALLS];

void cl_force(enum cl_call call, int error, int skip, int times) {
  forced[call].error = error;
  forced[call].skip = skip;
  forced[call].times = times;
}

static int forced_error(enum cl_call call) {
  if (forced[call].times == 0) return 0;
  if (forced[call].skip > 0) {
    forced[call].skip--;
    return 0;
  }
  forced[call].times--;
  return forced[call].error;
}

#define FORCED(call)                         \
  do {                                       \
    int error_ = forced_error(call);         \
    if (error_) return -error_;              \
  } while (0)
#else
#define FORCED(call) (void)0
#endif

static ptrdiff_t answer(ptrdiff_t result) { return result < 0 ? -(ptrdiff_t)errno : result; }

// Addresses

typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} address_storage;

static uint64_t big_endian_word(const uint8_t *bytes) {
  uint64_t word = 0;
  for (int i = 0; i < 8; i++) word = word << 8 | bytes[i];
  return word;
}

static bool is_mapped(const cl_address *a) { return a->high == 0 && a->low >> 32 == 0xffff; }

static socklen_t to_sockaddr(const cl_address *from, address_storage *into) {
  memset(into, 0, sizeof *into);
  if (is_mapped(from)) {
    into->v4.sin_family = AF_INET;
    into->v4.sin_port = htons(from->port);
    into->v4.sin_addr.s_addr = htonl((uint32_t)from->low);
    return sizeof into->v4;
  }
  into->v6.sin6_family = AF_INET6;
  into->v6.sin6_port = htons(from->port);
  for (int i = 0; i < 8; i++) {
    into->v6.sin6_addr.s6_addr[i] = (uint8_t)(from->high >> (56 - 8 * i));
    into->v6.sin6_addr.s6_addr[8 + i] = (uint8_t)(from->low >> (56 - 8 * i));
  }
  return sizeof into->v6;
}

bool cl_read_sockaddr(const struct sockaddr *from, cl_address *into) {
  if (from->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    into->high = 0;
    into->low = 0xffff00000000 | ntohl(v4->sin_addr.s_addr);
    into->port = ntohs(v4->sin_port);
    return true;
  }
  if (from->sa_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    into->high = big_endian_word(v6->sin6_addr.s6_addr);
    into->low = big_endian_word(v6->sin6_addr.s6_addr + 8);
    into->port = ntohs(v6->sin6_port);
    return true;
  }
  return false;
}

bool cl_parse_address(const char *text, uint16_t port, cl_address *into) {
  struct in_addr v4;
  struct in6_addr v6;
  into->port = port;
  if (inet_pton(AF_INET, text, &v4) == 1) {
    into->high = 0;
    into->low = 0xffff00000000 | ntohl(v4.s_addr);
    return true;
  }
  if (inet_pton(AF_INET6, text, &v6) != 1) return false;
  into->high = big_endian_word(v6.s6_addr);
  into->low = big_endian_word(v6.s6_addr + 8);
  return true;
}

// Sockets

int cl_socket(const cl_address *address) {
  FORCED(CL_SOCKET);
  int family = is_mapped(address) ? AF_INET : AF_INET6;
  return (int)answer(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
}

int cl_listen(const cl_address *at, int backlog, bool is_only_v6, bool is_shared) {
  address_storage storage;
  socklen_t length = to_sockaddr(at, &storage);
  int descriptor = cl_socket(at);
  if (descriptor < 0) return descriptor;
  int on = 1, only = is_only_v6;
  // "::" serves IPv4 as well, unless another socket does.
  if (!is_mapped(at)) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      (is_shared && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
      bind(descriptor, &storage.any, length) < 0 || listen(descriptor, backlog) < 0) {
    int error = errno;
    close(descriptor);
    return -error;
  }
  return descriptor;
}

int cl_adopt_listener(int descriptor, cl_address *at) {
  address_storage storage;
  socklen_t length = sizeof storage;
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
      getsockname(descriptor, &storage.any, &length) < 0)
    return -errno;
  if (!listens || !cl_read_sockaddr(&storage.any, at)) return -EINVAL;
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  return (int)answer(fcntl(descriptor, F_SETFD, FD_CLOEXEC));
}

int cl_bound_port(int descriptor) {
  address_storage storage;
  socklen_t length = sizeof storage;
  cl_address address;
  if (getsockname(descriptor, &storage.any, &length) < 0) return -errno;
  return cl_read_sockaddr(&storage.any, &address) ? address.port : -EAFNOSUPPORT;
}

int cl_accept(int listener, cl_address *peer) {
  FORCED(CL_ACCEPT);
  address_storage storage;
  socklen_t length = sizeof storage;
  int descriptor = accept4(listener, &storage.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return -errno;
  if (!cl_read_sockaddr(&storage.any, peer)) memset(peer, 0, sizeof *peer);
  return descriptor;
}

int cl_connect(int descriptor, const cl_address *address) {
  FORCED(CL_CONNECT);
  address_storage storage;
  socklen_t length = to_sockaddr(address, &storage);
  return (int)answer(connect(descriptor, &storage.any, length));
}

int cl_connect_result(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
  return -error;
}

int cl_set_options(int descriptor, unsigned user_timeout_milliseconds) {
  int on = 1;
  if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) return -errno;
  return (int)answer(setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
                                &user_timeout_milliseconds, sizeof user_timeout_milliseconds));
}

int cl_set_abortive(int descriptor) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  return (int)answer(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

int cl_shutdown_write(int descriptor) { return (int)answer(shutdown(descriptor, SHUT_WR)); }

// glibc's own recv and send make ready for their thread to be cancelled, thirty instructions each
// time once there is a second one; nobody cancels ours.

ptrdiff_t cl_recv(int descriptor, void *into, ptrdiff_t count) {
  FORCED(CL_RECV);
  return answer(syscall(SYS_recvfrom, descriptor, into, (size_t)count, 0, NULL, NULL));
}

ptrdiff_t cl_discard(int descriptor, ptrdiff_t count) {
  FORCED(CL_RECV);
  return answer(syscall(SYS_recvfrom, descriptor, NULL, (size_t)count, MSG_TRUNC, NULL, NULL));
}

ptrdiff_t cl_send(int descriptor, const void *from, ptrdiff_t count) {
  FORCED(CL_SEND);
  return answer(syscall(SYS_sendto, descriptor, from, (size_t)count, MSG_NOSIGNAL, NULL, 0));
}

int cl_set_stamped(int descriptor) {
  int on = 1;
  return (int)answer(setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
}

int64_t cl_came_at(int descriptor) {
  char byte;
  struct iovec place = {.iov_base = &byte, .iov_len = 1};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))];
  struct msghdr message = {.msg_iov = &place,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  if (recvmsg(descriptor, &message, MSG_PEEK) <= 0) return 0;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_TIMESTAMPNS) return 0;
  struct timespec came;
  memcpy(&came, CMSG_DATA(head), sizeof came);
  return (int64_t)came.tv_sec * 1000000000 + came.tv_nsec;
}

int cl_close(int descriptor) { return (int)answer(close(descriptor)); }

// The loop

int cl_epoll_create(void) { return (int)answer(epoll_create1(EPOLL_CLOEXEC)); }

int cl_epoll_set(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return (int)answer(epoll_ctl(epoll, operation, descriptor, &event));
}

int cl_epoll_wait(int epoll, struct epoll_event *events, int max, int64_t nanoseconds) {
  FORCED(CL_EPOLL_WAIT);
  struct timespec span = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  return (int)answer(epoll_pwait2(epoll, events, max, nanoseconds < 0 ? NULL : &span, NULL));
}

int cl_epoll_wait_coarse(int epoll, struct epoll_event *events, int max, int milliseconds) {
  FORCED(CL_EPOLL_WAIT_COARSE);
  return (int)answer(epoll_wait(epoll, events, max, milliseconds));
}

static int64_t read_clock(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t cl_monotonic(void) { return read_clock(CLOCK_MONOTONIC); }
void cl_sleep_until(int64_t nanoseconds) {
  struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int64_t cl_wall(void) { return read_clock(CLOCK_REALTIME); }
int64_t cl_thread_time(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

int cl_counter_create(bool blocking) {
  return (int)answer(eventfd(0, EFD_CLOEXEC | (blocking ? 0 : EFD_NONBLOCK)));
}

int cl_semaphore_create(void) { return (int)answer(eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)); }

int cl_counter_add(int counter) {
  uint64_t one = 1;
  return (int)answer(write(counter, &one, sizeof one));
}

int64_t cl_counter_take(int counter) {
  uint64_t count = 0;
  ssize_t length = read(counter, &count, sizeof count);
  return length < 0 ? -(int64_t)errno : (int64_t)count;
}

// Signals

static volatile sig_atomic_t signal_counter = -1;
static _Atomic uint64_t strange_signals;

static void add_to_counter(uint64_t amount) {
  int saved = errno;
  ssize_t length = write(signal_counter, &amount, sizeof amount);
  (void)length;
  errno = saved;
}

static void count_signal(int number) {
  (void)number;
  add_to_counter(1);
}

static void note_strange_signal(int number) {
  atomic_fetch_or(&strange_signals, (uint64_t)1 << (number - 1));
  add_to_counter((uint64_t)1 << 32);
}

// Signals that would end the process, and mean nothing here. Those of a crash, of a debugger and of
// job control stay what they are.
static bool is_strange(int number) {
  switch (number) {
    case SIGHUP:
    case SIGUSR1:
    case SIGUSR2:
    case SIGALRM:
    case SIGVTALRM:
    case SIGPROF:
    case SIGIO:
    case SIGPWR:
    case SIGSTKFLT:
    case SIGXFSZ: return true;
    default: return number >= SIGRTMIN && number <= SIGRTMAX;
  }
}

int cl_signals_to(int counter) {
  signal_counter = counter;
  struct sigaction count = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
  struct sigaction note = {.sa_handler = note_strange_signal, .sa_flags = SA_RESTART};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  if (sigaction(SIGTERM, &count, NULL) < 0 || sigaction(SIGINT, &count, NULL) < 0 ||
      sigaction(SIGPIPE, &ignore, NULL) < 0)
    return -errno;
  sigset_t taken;
  sigemptyset(&taken);
  sigaddset(&taken, SIGTERM);
  sigaddset(&taken, SIGINT);
  for (int number = 1; number <= SIGRTMAX; number++) {
    struct sigaction before;
    if (!is_strange(number) || sigaction(number, NULL, &before) < 0) continue;
    // A profiler that was loaded beside us may have taken it; `nohup` ignores one already.
    if (before.sa_flags & SA_SIGINFO || before.sa_handler != SIG_DFL) continue;
    if (sigaction(number, &note, NULL) < 0) return -errno;
    sigaddset(&taken, number);
  }
  // Whoever started us may have had them blocked, and that is inherited.
  return (int)answer(sigprocmask(SIG_UNBLOCK, &taken, NULL));
}

uint64_t cl_strange_signals(void) { return atomic_exchange(&strange_signals, 0); }

const char *cl_signal_name(int number) { return sigabbrev_np(number); }

// The rest

const char *cl_error_text(int error) { return strerrordesc_np(error); }

int cl_random(void *into, ptrdiff_t count) {
  return (int)answer(getrandom(into, (size_t)count, 0));
}

ptrdiff_t cl_write(int descriptor, const void *from, ptrdiff_t count) {
  return answer(write(descriptor, from, (size_t)count));
}

int cl_wait_writable(int descriptor) {
  struct pollfd entry = {.fd = descriptor, .events = POLLOUT};
  return (int)answer(poll(&entry, 1, -1));
}

void cl_give_way(void) {
  const int less = 5, least = 19;
  struct sched_param none = {0};
  int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  if (policy == SCHED_FIFO || policy == SCHED_RR) sched_setscheduler(0, SCHED_OTHER, &none);
  id_t thread = (id_t)syscall(SYS_gettid);
  int nice = getpriority(PRIO_PROCESS, thread) + less;
  setpriority(PRIO_PROCESS, thread, nice < least ? nice : least);
}

int64_t cl_address_space_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
  return limit.rlim_cur > INT64_MAX ? -1 : (int64_t)limit.rlim_cur;
}

int64_t cl_raise_descriptor_limit(int64_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  if ((int64_t)limit.rlim_cur >= wanted) return (int64_t)limit.rlim_cur;
  struct rlimit raised = {.rlim_cur = (rlim_t)wanted, .rlim_max = limit.rlim_max};
  if ((rlim_t)wanted > limit.rlim_max) raised.rlim_max = (rlim_t)wanted;
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  raised.rlim_cur = raised.rlim_max = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &raised) < 0) return -errno;
  return (int64_t)raised.rlim_cur;
}
