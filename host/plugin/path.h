/* plugin/path.h: where plugin files lie. */
#ifndef GG_PLUGIN_PATH_H
#define GG_PLUGIN_PATH_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>

/* The folders in order of search, NULL-ended, each once, absolute: those of
 * --plugin-dir (NULL-ended, may be NULL), GANGLION_PLUGIN_PATH (colon separated,
 * may be NULL), "plugins" beside the folder of the executable (a build tree), the
 * installed folder. Folders that do not exist are left in: messages name them. */
const char *const *gg_plugin_folders(struct gg_arena *arena, const char *const *options, const char *environment);
/* The full path of <base>.so in the first folder that has it; NULL: in none. */
const char *gg_plugin_find(struct gg_arena *arena, const char *const *folders, const char *base);
/* Base names of all plugin files, sorted, each once; NULL-ended. */
const char *const *gg_plugin_installed(struct gg_arena *arena, const char *const *folders, size_t *n_out);
/* "a, b, c", or "none". */
void gg_plugin_list_text(struct gg_buf *out, const char *const *names);

#endif
