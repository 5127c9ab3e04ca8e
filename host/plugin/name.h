/* plugin/name.h: from worker_app to the base name of a file. */
#ifndef GG_PLUGIN_NAME_H
#define GG_PLUGIN_NAME_H

#include <ganglion/error.h>

#define GG_ROLE_MAX 128 /* characters of a base name, with its NUL */

struct gg_role_name {
    char base[GG_ROLE_MAX]; /* "pusher", "com.example.app.archiver": the file is <base>.so */
    bool historical;        /* a name that generic_worker took over */
};

/* worker_app NULL: the main process. GG_E_INVALID for what is no name of a
 * worker app; it never yields anything that could be a path. */
GG_CHECKED int gg_role_of_app(const char *worker_app, struct gg_role_name *out, struct gg_error *err);
/* Letters, digits, '_', '.', '-', and it begins with a letter or digit. */
bool gg_role_name_valid(const char *name);
/* "ganglion-plugin-generic-worker": the Debian package that brings a role. */
void gg_role_package(const char *base, char *out, size_t size);
/* The PostgreSQL schema of a plugin's own tables: "ganglion_" and what follows
 * the last dot of its name, lower case, '-' as '_'. */
void gg_role_schema(const char *base, char *out, size_t size);

#endif
