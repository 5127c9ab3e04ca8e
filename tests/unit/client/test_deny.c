/* The list of addresses that outgoing requests must not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/deny.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct gg_ip_range denied[5], allowed[2];
static const struct gg_deny deny = {denied, allowed, 5, 2};

static int set_up(void **state)
{
    static const char *const no[] = {"127.0.0.0/8", "10.0.0.0/8", "::1", "fe80::/10", "172.16.0.0/12"};
    static const char *const yes[] = {"10.1.2.0/24", "fe80::1"};
    struct gg_error err = GG_ERROR_INIT;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(gg_ip_range_parse(no[i], &denied[i], &err), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(gg_ip_range_parse(yes[i], &allowed[i], &err), 0);
    return 0;
}

static bool may(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return gg_deny_allows(&deny, (struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return gg_deny_allows(&deny, (struct sockaddr *)&v6);
}

static void test_ranges(void **state)
{
    assert_false(may("127.0.0.1"));
    assert_false(may("127.255.255.255"));
    assert_true(may("128.0.0.1"));
    assert_false(may("10.1.3.1"));
    assert_true(may("10.1.2.3"));
    assert_false(may("172.31.255.255"));
    assert_true(may("172.32.0.0"));
    assert_false(may("::1"));
    assert_true(may("fe80::1"));
    assert_false(may("fe80::2"));
    assert_false(may("febf::2"));
    assert_true(may("2001:4860::8888"));
}

/* IPv4 inside IPv6, and "any address", which connects to this machine. */
static void test_disguises(void **state)
{
    assert_false(may("::ffff:127.0.0.1"));
    assert_false(may("::127.0.0.1"));
    assert_false(may("2002:7f00:1::"));
    assert_false(may("64:ff9b::10.0.0.1"));
    assert_true(may("64:ff9b::8.8.8.8"));
    assert_false(may("0.0.0.0"));
    assert_false(may("::"));
    assert_false(may("::ffff:0.0.0.0"));
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(gg_deny_allows(&deny, &other));
}

static void test_bad_ranges(void **state)
{
    static const char *const bad[] = {"", "x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/8x", "::/129", "1.2.3.4/-1"};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_ip_range range;
    for (size_t i = 0; i < GG_COUNT(bad); i++)
        if (gg_ip_range_parse(bad[i], &range, &err) != GG_E_INVALID)
            fail_msg("%s was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_disguises),
        cmocka_unit_test(test_bad_ranges),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
