// SQLite, by libsqlite3.so.0 as it is found at run time. Each call is one of the library's, with
// its own number as the answer; 0 is well.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct csq_database csq_database;
typedef struct csq_statement csq_statement;

// What the library answers where something is wrong, as far as the courier tells one from another.
enum {
  CSQ_OK = 0,
  CSQ_BUSY = 5,
  CSQ_READONLY = 8,
  CSQ_IOERR = 10,
  CSQ_CORRUPT = 11,
  CSQ_FULL = 13,
  CSQ_CANTOPEN = 14,
  CSQ_CONSTRAINT = 19,
  CSQ_NOTADB = 26,
  CSQ_ROW = 100,
  CSQ_DONE = 101
};

// Loads the library, once. NULL, or what the loader said.
const char *csq_load(void);
// The version of the library that was loaded.
const char *csq_version(void);

// Opens or makes the file; the database must be closed also where this failed.
int csq_open(const char *path, csq_database **into);
void csq_close(csq_database *database);
// How long a call waits for another process that writes.
int csq_wait_for_others(csq_database *database, int milliseconds);
// Statements without a result.
int csq_run(csq_database *database, const char *sql);
// What the library says of its last error, and its number with its reason, which tells more than
// the answer does.
const char *csq_message(csq_database *database);
int csq_extended_code(csq_database *database);
// Rows that the last statement changed.
int csq_changes(csq_database *database);

int csq_prepare(csq_database *database, const char *sql, csq_statement **into);
void csq_finalize(csq_statement *statement);
// Places count from 1, columns from 0. Bytes are copied.
int csq_bind_integer(csq_statement *statement, int place, int64_t value);
int csq_bind_text(csq_statement *statement, int place, const void *text, ptrdiff_t count);
int csq_bind_bytes(csq_statement *statement, int place, const void *bytes, ptrdiff_t count);
int csq_bind_null(csq_statement *statement, int place);
// CSQ_ROW, CSQ_DONE or what is wrong.
int csq_step(csq_statement *statement);
// Ready to be run again, with nothing bound.
void csq_reset(csq_statement *statement);
int csq_is_null(csq_statement *statement, int column);
int64_t csq_integer(csq_statement *statement, int column);
// Valid until the next step; NULL for none.
const void *csq_bytes(csq_statement *statement, int column);
ptrdiff_t csq_count(csq_statement *statement, int column);
