// The calls of ccurl.h, on libcurl's multi interface with its socket callback.
#define _GNU_SOURCE 1
#include "ccurl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct {
  void *library;
  CURLcode (*global_init)(long);
  const char *(*easy_strerror)(CURLcode);
  CURL *(*easy_init)(void);
  void (*easy_cleanup)(CURL *);
  CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
  CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
  CURLcode (*easy_pause)(CURL *, int);
  CURLHcode (*easy_header)(CURL *, const char *, size_t, unsigned, int, struct curl_header **);
  struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
  void (*slist_free_all)(struct curl_slist *);
  CURLM *(*multi_init)(void);
  CURLMcode (*multi_cleanup)(CURLM *);
  CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
  CURLMcode (*multi_add_handle)(CURLM *, CURL *);
  CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
  CURLMcode (*multi_socket_action)(CURLM *, curl_socket_t, int, int *);
  CURLMcode (*multi_timeout)(CURLM *, long *);
  CURLMsg *(*multi_info_read)(CURLM *, int *);
} curl;

static const struct {
  const char *name;
  void *into;
} symbols[] = {
    {"curl_global_init", &curl.global_init},
    {"curl_easy_strerror", &curl.easy_strerror},
    {"curl_easy_init", &curl.easy_init},
    {"curl_easy_cleanup", &curl.easy_cleanup},
    {"curl_easy_setopt", &curl.easy_setopt},
    {"curl_easy_getinfo", &curl.easy_getinfo},
    {"curl_easy_pause", &curl.easy_pause},
    {"curl_easy_header", &curl.easy_header},
    {"curl_slist_append", &curl.slist_append},
    {"curl_slist_free_all", &curl.slist_free_all},
    {"curl_multi_init", &curl.multi_init},
    {"curl_multi_cleanup", &curl.multi_cleanup},
    {"curl_multi_setopt", &curl.multi_setopt},
    {"curl_multi_add_handle", &curl.multi_add_handle},
    {"curl_multi_remove_handle", &curl.multi_remove_handle},
    {"curl_multi_socket_action", &curl.multi_socket_action},
    {"curl_multi_timeout", &curl.multi_timeout},
    {"curl_multi_info_read", &curl.multi_info_read},
};

static const char *loader_words(void) {
  const char *words = dlerror();
  return words ? words : "no reason given";
}

const char *cc_curl_load(void) {
  if (curl.library) return NULL;
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) return loader_words();
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *address = dlsym(library, symbols[i].name);
    if (!address) return loader_words();
    memcpy(symbols[i].into, &address, sizeof address);
  }
  const CURLcode code = curl.global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) return curl.easy_strerror(code);
  curl.library = library;
  return NULL;
}

struct cc_transfer {
  cc_transfer *next, *previous;  // in its client's list
  CURL *easy;
  struct curl_slist *headers;
  uint64_t id;
  uint8_t *body;
  size_t count, room, max;
  size_t piece_max;  // 0: nobody takes pieces
  size_t taken;
  CURLcode code;
  long status;
  bool is_cut, is_paused, is_lost, has_ended;
  char retry_after[128];
  char *redirect;
  char text[CURL_ERROR_SIZE];
};

struct cc_client {
  CURLM *multi;
  int epoll;
  cc_transfer *under_way;
  cc_transfer *turn;  // whose piece is the next to be taken; NULL: the first's
  cc_transfer *ended, *ended_last;
};

// The client

static int watch(CURL *easy, curl_socket_t socket, int what, void *user, void *unused) {
  (void)easy;
  (void)unused;
  const cc_client *client = user;
  struct epoll_event event = {.data.fd = socket};
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(client->epoll, EPOLL_CTL_DEL, socket, &event);
    return 0;
  }
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, socket, &event) == 0) return 0;
  return errno == ENOENT && epoll_ctl(client->epoll, EPOLL_CTL_ADD, socket, &event) == 0 ? 0 : -1;
}

cc_client *cc_client_create(void) {
  cc_client *client = calloc(1, sizeof *client);
  if (!client) return NULL;
  client->epoll = epoll_create1(EPOLL_CLOEXEC);
  client->multi = client->epoll < 0 ? NULL : curl.multi_init();
  if (!client->multi) {
    if (client->epoll >= 0) close(client->epoll);
    free(client);
    return NULL;
  }
  curl.multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch);
  curl.multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
  return client;
}

void cc_client_delete(cc_client *client) {
  while (client->under_way) cc_transfer_cancel(client, client->under_way);
  cc_transfer *ended;
  while ((ended = cc_client_next_ended(client))) cc_transfer_delete(ended);
  curl.multi_cleanup(client->multi);
  close(client->epoll);
  free(client);
}

int cc_client_descriptor(const cc_client *client) { return client->epoll; }

long cc_client_wait(cc_client *client) {
  if (client->ended) return 0;
  long milliseconds = -1;
  curl.multi_timeout(client->multi, &milliseconds);
  return milliseconds;
}

static void take_from(cc_client *client, cc_transfer *transfer) {
  curl.multi_remove_handle(client->multi, transfer->easy);
  if (client->turn == transfer) client->turn = transfer->next;
  if (transfer->previous) transfer->previous->next = transfer->next;
  else client->under_way = transfer->next;
  if (transfer->next) transfer->next->previous = transfer->previous;
  transfer->next = transfer->previous = NULL;
}

// Keeps what the library would forget with the connection.
static void conclude(cc_transfer *transfer, CURLcode code) {
  // We ended it ourselves: the answer is there, its rest is not wanted.
  transfer->code = transfer->is_cut && code == CURLE_WRITE_ERROR ? CURLE_OK : code;
  if (transfer->is_lost) transfer->code = CURLE_OUT_OF_MEMORY;
  curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->status);
  struct curl_header *header = NULL;
  if (curl.easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
    strncpy(transfer->retry_after, header->value, sizeof transfer->retry_after - 1);
  char *target = NULL;
  curl.easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &target);
  if (target) transfer->redirect = strdup(target);
}

static void end(cc_client *client, cc_transfer *transfer, CURLcode code) {
  conclude(transfer, code);
  take_from(client, transfer);
  transfer->has_ended = true;
  if (client->ended_last) client->ended_last->next = transfer;
  else client->ended = transfer;
  client->ended_last = transfer;
}

static void take_from_ended(cc_client *client, cc_transfer *transfer) {
  cc_transfer *before = NULL;
  for (cc_transfer *one = client->ended; one != transfer; one = one->next) before = one;
  if (before) before->next = transfer->next;
  else client->ended = transfer->next;
  if (client->ended_last == transfer) client->ended_last = before;
}

void cc_client_advance(cc_client *client) {
  int running = 0;
  struct epoll_event events[64];
  const int count = epoll_wait(client->epoll, events, 64, 0);
  for (int i = 0; i < count; i++) {
    int what = 0;
    if (events[i].events & EPOLLIN) what |= CURL_CSELECT_IN;
    if (events[i].events & EPOLLOUT) what |= CURL_CSELECT_OUT;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) what |= CURL_CSELECT_ERR;
    curl.multi_socket_action(client->multi, events[i].data.fd, what, &running);
  }
  curl.multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  int left = 0;
  CURLMsg *message;
  while ((message = curl.multi_info_read(client->multi, &left))) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char *private = NULL;
    curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    cc_transfer *transfer = (cc_transfer *)private;
    end(client, transfer, code);
  }
}

static cc_transfer *with_piece(cc_transfer *first) {
  cc_transfer *next = first;
  while (next && !(next->count && cc_transfer_is_in_pieces(next))) next = next->next;
  return next;
}

cc_transfer *cc_client_next_piece(cc_client *client) {
  cc_transfer *next = with_piece(client->turn);
  if (!next) next = with_piece(client->under_way);
  if (next) client->turn = next->next;
  return next;
}

cc_transfer *cc_client_next_ended(cc_client *client) {
  cc_transfer *first = client->ended;
  if (!first) return NULL;
  client->ended = first->next;
  if (!client->ended) client->ended_last = NULL;
  first->next = NULL;
  return first;
}

// A transfer

static size_t keep(char *bytes, size_t size, size_t count, void *user) {
  cc_transfer *transfer = user;
  const size_t came = size * count;
  if (transfer->is_lost) return 0;
  size_t free_room = transfer->max - transfer->taken - transfer->count;
  if (cc_transfer_is_in_pieces(transfer)) {
    if (transfer->count && transfer->count + came > transfer->piece_max) {
      // The library keeps it until the piece that is there was taken.
      transfer->is_paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
  } else if (transfer->piece_max) {
    free_room = transfer->piece_max - transfer->count;
  }
  const size_t kept = came < free_room ? came : free_room;
  if (transfer->count + kept > transfer->room) {
    size_t room = transfer->room ? transfer->room : 4096;
    while (room < transfer->count + kept) room *= 2;
    uint8_t *larger = realloc(transfer->body, room);
    if (!larger) {
      transfer->is_lost = true;
      return 0;
    }
    transfer->body = larger;
    transfer->room = room;
  }
  if (kept) memcpy(transfer->body + transfer->count, bytes, kept);
  transfer->count += kept;
  if (kept == came) return came;
  transfer->is_cut = true;
  return 0;
}

#define SET(option, value) (curl.easy_setopt(transfer->easy, option, value) == CURLE_OK)

cc_transfer *cc_transfer_create(const char *url, uint64_t id) {
  cc_transfer *transfer = calloc(1, sizeof *transfer);
  if (!transfer) return NULL;
  transfer->id = id;
  transfer->easy = curl.easy_init();
  const bool is_set =
      transfer->easy && SET(CURLOPT_URL, url) && SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
      SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
      SET(CURLOPT_SSL_VERIFYHOST, 2L) && SET(CURLOPT_NOSIGNAL, 1L) &&
      SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_POST, 1L) &&
      SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0) && SET(CURLOPT_COPYPOSTFIELDS, "") &&
      SET(CURLOPT_WRITEFUNCTION, keep) && SET(CURLOPT_WRITEDATA, transfer) &&
      SET(CURLOPT_PRIVATE, transfer) && SET(CURLOPT_ERRORBUFFER, transfer->text) &&
      SET(CURLOPT_USERAGENT, "sidetone") && SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!is_set) {
    cc_transfer_delete(transfer);
    return NULL;
  }
  // HTTP/2 where a server offers it, and the library was built with it.
  (void)SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  // Ending a transfer does not wait for a name server that is silent. Older ones do not know it.
  (void)SET(CURLOPT_QUICK_EXIT, 1L);
  return transfer;
}

bool cc_transfer_add_header(cc_transfer *transfer, const char *line) {
  struct curl_slist *longer = curl.slist_append(transfer->headers, line);
  if (longer) transfer->headers = longer;
  return longer != NULL;
}

bool cc_transfer_set_body(cc_transfer *transfer, const void *bytes, size_t count) {
  return SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count) && SET(CURLOPT_COPYPOSTFIELDS, bytes);
}

bool cc_transfer_set_get(cc_transfer *transfer) { return SET(CURLOPT_HTTPGET, 1L); }

bool cc_transfer_set_authorities(cc_transfer *transfer, const char *path) {
  return SET(CURLOPT_CAINFO, path);
}

bool cc_transfer_set_direct(cc_transfer *transfer) { return SET(CURLOPT_NOPROXY, "*"); }

void cc_transfer_set_pieces(cc_transfer *transfer, size_t piece_max) {
  transfer->piece_max = piece_max;
}

void cc_transfer_took_piece(cc_client *client, cc_transfer *transfer) {
  transfer->taken += transfer->count;
  transfer->count = 0;
  if (!transfer->is_paused) return;
  transfer->is_paused = false;
  // It may call `keep` before it returns, and goes on with the transfer even where that ends it.
  const CURLcode code = curl.easy_pause(transfer->easy, CURLPAUSE_CONT);
  if (code != CURLE_OK || transfer->is_cut) end(client, transfer, CURLE_WRITE_ERROR);
}

bool cc_transfer_begin(cc_client *client, cc_transfer *transfer, long connect_milliseconds,
                       long total_milliseconds, size_t answer_max) {
  transfer->max = answer_max;
  if (!SET(CURLOPT_HTTPHEADER, transfer->headers) ||
      !SET(CURLOPT_CONNECTTIMEOUT_MS, connect_milliseconds) ||
      !SET(CURLOPT_TIMEOUT_MS, total_milliseconds) ||
      curl.multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
    return false;
  transfer->next = client->under_way;
  if (transfer->next) transfer->next->previous = transfer;
  client->under_way = transfer;
  return true;
}

void cc_transfer_cancel(cc_client *client, cc_transfer *transfer) {
  if (transfer->has_ended) take_from_ended(client, transfer);
  else take_from(client, transfer);
  cc_transfer_delete(transfer);
}

void cc_transfer_delete(cc_transfer *transfer) {
  if (transfer->easy) curl.easy_cleanup(transfer->easy);
  curl.slist_free_all(transfer->headers);
  free(transfer->body);
  free(transfer->redirect);
  free(transfer);
}

uint64_t cc_transfer_id(const cc_transfer *transfer) { return transfer->id; }

enum cc_trouble cc_transfer_trouble(const cc_transfer *transfer) {
  switch (transfer->code) {
    case CURLE_OK: return CC_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return CC_NO_NAME;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY: return CC_NO_ROUTE;
    case CURLE_OPERATION_TIMEDOUT: return CC_TOO_SLOW;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return CC_NO_TRUST;
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT: return CC_OUR_MISTAKE;
    default: return CC_BROKEN;
  }
}

const char *cc_transfer_text(const cc_transfer *transfer) {
  return transfer->text[0] ? transfer->text : curl.easy_strerror(transfer->code);
}

int cc_transfer_status(const cc_transfer *transfer) { return (int)transfer->status; }

const void *cc_transfer_body(const cc_transfer *transfer, size_t *count) {
  *count = transfer->count;
  return transfer->body;
}

bool cc_transfer_is_in_pieces(const cc_transfer *transfer) {
  if (!transfer->piece_max) return false;
  long status = 0;
  curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status < 300;
}

bool cc_transfer_is_cut(const cc_transfer *transfer) { return transfer->is_cut; }

const char *cc_transfer_retry_after(const cc_transfer *transfer) { return transfer->retry_after; }

const char *cc_transfer_redirect(const cc_transfer *transfer) {
  return transfer->redirect ? transfer->redirect : "";
}
