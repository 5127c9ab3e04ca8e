/* Keys that the life cycle and the generated proxy files read. */
#include "main/keys.h"

const struct gg_config_key gg_main_keys[] = {
    {.path = "ganglion.drain_timeout",
     .type = GG_C_DURATION,
     .fallback = "10s",
     .doc = "how long requests in flight may take after SIGTERM before they are cancelled"},
    {.path = "ganglion.pools",
     .type = GG_C_MAP,
     .doc = "which processes serve what behind a generated proxy: names of processes for sync, initial_sync, events, "
            "federation_in, login and bridge; what is not named goes to all generic workers"},
    {0},
};
