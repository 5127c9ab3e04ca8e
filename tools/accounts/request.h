/* request.h: registering through the shared secret, on a running server. */
#ifndef TOOLS_REQUEST_H
#define TOOLS_REQUEST_H

#include <stdbool.h>

struct registration {
    const char *server, *secret, *user, *password, *user_type; /* user_type NULL: none */
    bool admin, exists_ok;
};
/* Says on stdout what happens, as Synapse's program does; the exit code of the program. */
int request_registration(const struct registration *registration);

#endif
