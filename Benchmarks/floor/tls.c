// The floor with TLS on both legs: OpenSSL between two buffers in memory and the socket, so that a
// frame still is one recv and one send. It checks nobody's certificate.
#define _GNU_SOURCE
#include "floor.h"
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static SSL_CTX *server, *client;
static unsigned char sealed[2 * BUFFER];

void prepare_tls(const char *certificate, const char *key) {
  server = SSL_CTX_new(TLS_server_method());
  client = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_use_certificate_chain_file(server, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) != 1) {
    fputs("floor: no certificate and its key\n", stderr);
    exit(2);
  }
  SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
}

// What OpenSSL has sealed goes out at once.
static void flush(struct link *link) {
  char *bytes;
  long count = BIO_get_mem_data(SSL_get_wbio(link->tls), &bytes);
  if (count > 0) send(link->fd, bytes, count, MSG_NOSIGNAL);
  if (count > 0) BIO_reset(SSL_get_wbio(link->tls));
}

void begin_tls(struct link *link) {
  if (server == NULL) return;
  link->tls = SSL_new(link->upstream ? client : server);
  SSL_set_bio(link->tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (!link->upstream) return SSL_set_accept_state(link->tls);
  SSL_set_connect_state(link->tls);
  SSL_do_handshake(link->tls);
  flush(link);
}

void end_tls(struct link *link) {
  if (link->tls) SSL_free(link->tls);
}

bool is_shaking(const struct link *link) {
  return link->tls && !SSL_is_init_finished(link->tls);
}

ssize_t receive(struct link *link, unsigned char *to, size_t room) {
  if (link->tls == NULL) return recv(link->fd, to, room, MSG_DONTWAIT);
  ssize_t got = recv(link->fd, sealed, sizeof sealed, MSG_DONTWAIT);
  if (got <= 0) return got;
  BIO *incoming = SSL_get_rbio(link->tls);
  BIO_write(incoming, sealed, got);
  size_t count = 0;
  do {
    int read = SSL_read(link->tls, to + count, room - count);
    if (read <= 0) break;
    count += read;
  } while (BIO_pending(incoming) > 0 && count < room);
  flush(link);
  return count > 0 ? (ssize_t)count : NOTHING_YET;
}

void transmit(struct link *link, const void *bytes, size_t count) {
  if (link->tls == NULL) {
    send(link->fd, bytes, count, MSG_NOSIGNAL);
    return;
  }
  SSL_write(link->tls, bytes, count);
  flush(link);
}
