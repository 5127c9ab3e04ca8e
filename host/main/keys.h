/* main/keys.h: configuration keys that host/main and host/proxy declare. */
#ifndef GG_MAIN_KEYS_H
#define GG_MAIN_KEYS_H

#include <ganglion/config.h>

extern const struct gg_config_key gg_main_keys[];

#endif
