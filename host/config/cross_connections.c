/* Database connections of all processes against what the server allows. Blocks, for a
 * few seconds at most: only --check-config calls it. */
#include "config/survey.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { DEFAULT_CONNECTIONS = 10 };

static unsigned connections_of(const struct gg_surveyed *process)
{
    const struct gg_db_options *options = gg_topology_database(process->config);

    return (options->max_connections ? options->max_connections : DEFAULT_CONNECTIONS) + options->lanes;
}

/* SHOW of a number; -1: it could not be asked. */
static long ask(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    long value = PQresultStatus(result) == PGRES_TUPLES_OK ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;

    PQclear(result);
    return value;
}

static void compare(struct gg_survey *survey, PGconn *connection, unsigned total)
{
    long most = ask(connection, "SHOW max_connections"), kept = ask(connection, "SHOW superuser_reserved_connections");

    if (most < 0 || kept < 0)
        gg_survey_say(survey, GG_FINDING_NOTE, "the database did not say how many connections it allows");
    else if (total > (unsigned long)(most - kept))
        gg_survey_say(survey, GG_FINDING_WARNING,
                      "all processes together may open %u database connections, but the server allows %ld "
                      "(max_connections %ld less %ld reserved): raise it, or lower `database.args.cp_max`",
                      total, most - kept, most, kept);
}

void gg_survey_check_connections(struct gg_survey *survey, bool offline)
{
    const char *conninfo = gg_topology_database(survey->processes[0].config)->conninfo;
    unsigned total = 0;
    PGconn *connection;

    for (size_t i = 0; i < survey->n; i++)
        total += connections_of(&survey->processes[i]);
    gg_survey_say(survey, GG_FINDING_NOTE, "all processes together may open %u database connections", total);
    if (offline || !conninfo)
        return;
    connection = PQconnectdb(gg_arena_printf(survey->arena, "connect_timeout='3' %s", conninfo));
    if (PQstatus(connection) == CONNECTION_OK)
        compare(survey, connection, total);
    else
        gg_survey_say(survey, GG_FINDING_NOTE, "the database cannot be reached, so its limit was not compared");
    PQfinish(connection);
}
