/* settings.h: single values out of the YAML files of a deployment. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

enum { SETTINGS_FILES = 32 };

/* Files in the order of -c: of a top-level key the last file that has it counts, whole. */
struct settings {
    yaml_document_t documents[SETTINGS_FILES];
    size_t n;
};

/* Adds a file; says what is wrong with it on stderr and returns false. */
bool settings_read(struct settings *settings, const char *path);
void settings_done(struct settings *settings);
/* The text of a scalar at "key" or "key.key"; NULL: absent, null, or no scalar. Lives as long as the settings. */
const char *settings_text(struct settings *settings, const char *path);
/* The port of the first plain HTTP listener for clients; NULL: there is none. */
const char *settings_client_port(struct settings *settings);

#endif
