// libsqlite3 by dlopen: one table of its functions, filled once, and one function of ours over
// each.
#include "ccourier.h"

#include <dlfcn.h>
#include <sqlite3.h>

#define FUNCTIONS(F)                                                                      \
  F(libversion) F(open_v2) F(close_v2) F(busy_timeout) F(exec) F(errmsg)                  \
  F(extended_errcode) F(changes) F(prepare_v2) F(finalize) F(bind_int64) F(bind_text64)   \
  F(bind_blob64) F(bind_null) F(step) F(reset) F(clear_bindings) F(column_type)           \
  F(column_int64) F(column_blob) F(column_bytes)

#define POINTER(name) __typeof__(sqlite3_##name) *name;
static struct {
  void *library;
  FUNCTIONS(POINTER)
} lib;

const char *csq_load(void) {
  if (lib.library) return NULL;
  void *library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
#define LOOK_UP(name)                                                  \
  lib.name = (__typeof__(lib.name))dlsym(library, "sqlite3_" #name);   \
  if (!lib.name) return "it lacks sqlite3_" #name;
  FUNCTIONS(LOOK_UP)
  lib.library = library;
  return NULL;
}

static sqlite3 *db(csq_database *database) { return (sqlite3 *)database; }
static sqlite3_stmt *st(csq_statement *statement) { return (sqlite3_stmt *)statement; }

const char *csq_version(void) { return lib.libversion(); }

int csq_open(const char *path, csq_database **into) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  return lib.open_v2(path, (sqlite3 **)into, flags, NULL);
}
void csq_close(csq_database *database) { lib.close_v2(db(database)); }
int csq_wait_for_others(csq_database *database, int milliseconds) {
  return lib.busy_timeout(db(database), milliseconds);
}
int csq_run(csq_database *database, const char *sql) {
  return lib.exec(db(database), sql, NULL, NULL, NULL);
}
const char *csq_message(csq_database *database) { return lib.errmsg(db(database)); }
int csq_extended_code(csq_database *database) { return lib.extended_errcode(db(database)); }
int csq_changes(csq_database *database) { return lib.changes(db(database)); }

int csq_prepare(csq_database *database, const char *sql, csq_statement **into) {
  return lib.prepare_v2(db(database), sql, -1, (sqlite3_stmt **)into, NULL);
}
void csq_finalize(csq_statement *statement) { lib.finalize(st(statement)); }
int csq_bind_integer(csq_statement *statement, int place, int64_t value) {
  return lib.bind_int64(st(statement), place, value);
}
int csq_bind_text(csq_statement *statement, int place, const void *text, ptrdiff_t count) {
  return lib.bind_text64(
      st(statement), place, text, (sqlite3_uint64)count, SQLITE_TRANSIENT, SQLITE_UTF8);
}
int csq_bind_bytes(csq_statement *statement, int place, const void *bytes, ptrdiff_t count) {
  return lib.bind_blob64(
      st(statement), place, bytes, (sqlite3_uint64)count, SQLITE_TRANSIENT);
}
int csq_bind_null(csq_statement *statement, int place) {
  return lib.bind_null(st(statement), place);
}
int csq_step(csq_statement *statement) { return lib.step(st(statement)); }
void csq_reset(csq_statement *statement) {
  lib.reset(st(statement));
  lib.clear_bindings(st(statement));
}
int csq_is_null(csq_statement *statement, int column) {
  return lib.column_type(st(statement), column) == SQLITE_NULL;
}
int64_t csq_integer(csq_statement *statement, int column) {
  return lib.column_int64(st(statement), column);
}
const void *csq_bytes(csq_statement *statement, int column) {
  return lib.column_blob(st(statement), column);
}
ptrdiff_t csq_count(csq_statement *statement, int column) {
  return lib.column_bytes(st(statement), column);
}
