/* log.h: configuring the log, for who starts, reloads and ends the process. */
#ifndef HOST_LOG_LOG_H
#define HOST_LOG_LOG_H

#include <ganglion/error.h>
#include <ganglion/log.h>

/* Reads a log_config file and puts it in force; what it names and we do not know is said in warnings. path NULL: INFO
 * lines on standard error. When it fails (unreadable, malformed, a log file that cannot be opened) what was in force
 * stays. Blocks: for the start and for SIGHUP. */
GG_CHECKED int gg_log_configure(const char *path, struct gg_error *err);
/* Opens every log file anew, after somebody moved it away. One that cannot be opened keeps its old descriptor and is
 * named in an error line. */
void gg_log_reopen(void);
/* Writes what is buffered. Also happens at exit and in a panic. */
void gg_log_flush(void);
/* Flushes, closes, and is back to standard error. */
void gg_log_close(void);

/* For the panic: takes no lock that somebody might hold. */
void gg_log_last_words(const char *file, int line, const char *text);

#endif
