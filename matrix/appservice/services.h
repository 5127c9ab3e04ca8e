/* matrix/appservice/services.h: the part of a process that knows application services, private to matrix/appservice. */
#ifndef MX_APPSERVICE_SERVICES_H
#define MX_APPSERVICE_SERVICES_H

#include <ganglion/matrix/appservice.h>
#include <ganglion/matrix/cache.h>

struct mx_appservices {
    struct gg_arena *arena;
    struct mx_appservice *v;
    size_t n;
    struct mx_as_sending *sending; /* NULL: not this process */
    struct mx_cache *rooms;     /* room id -> which services see it (interest.c) */
    struct mx_cache *aliases;   /* room id -> which services see it by its aliases (interest.c) */
    struct mx_cache *sent;      /* request -> id of the event that it made (sent.c) */
    struct mx_cache *protocols; /* "service<sep>protocol" -> what the service says of it (third_party.c) */
};

struct mx_appservices *mx_appservices_of(const struct mx_server *server);
/* Makes the caches (interest.c). */
GG_CHECKED int mx_interest_make(struct mx_server *server, struct gg_error *err);

#endif
