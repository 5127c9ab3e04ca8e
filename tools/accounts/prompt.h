/* prompt.h: asking whoever sits at the terminal. */
#ifndef TOOLS_PROMPT_H
#define TOOLS_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a line without its end; hidden: what is typed is not shown. False at the end of input or when it is too long. */
bool prompt(const char *question, bool hidden, char *out, size_t size);
/* Asks for a new password twice; says on stderr what is wrong. */
bool prompt_password(char *out, size_t size);
/* A file's first line, without blanks at its ends. */
bool read_first_line(const char *path, char *out, size_t size);

#endif
