/* The logging file that a new deployment begins with. */
#include "config/internal.h"

static const char text[] =
    "# Logging, in the form of Python's dictConfig.\n"
    "version: 1\n"
    "\n"
    "formatters:\n"
    "  precise:\n"
    "    format: '%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s'\n"
    "\n"
    "handlers:\n"
    "  console:\n"
    "    class: logging.StreamHandler\n"
    "    formatter: precise\n"
    "\n"
    "loggers:\n"
    "  # DEBUG would show access tokens.\n"
    "  synapse.storage.SQL:\n"
    "    level: INFO\n"
    "\n"
    "root:\n"
    "  level: INFO\n"
    "  handlers: [console]\n"
    "\n"
    "disable_existing_loggers: false\n";

struct gg_str gg_make_log_config(const struct gg_config *config, struct gg_arena *arena)
{
    return gg_arena_str(arena, gg_str(text));
}
