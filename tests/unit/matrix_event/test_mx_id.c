/* test_mx_id.c: identifier grammars and the table of room versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/room_version.h>

#define HASH "Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"

typedef bool valid_fn(struct gg_str s);

static void each(valid_fn *valid, bool expected, const char *const *ids)
{
    for (; *ids; ids++)
        if (valid(gg_str(*ids)) != expected)
            fail_msg("%s is%s valid", *ids, expected ? " not" : "");
}

#define IDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void server_names(void **state)
{
    each(mx_server_name_valid, true,
         IDS("matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[1234:5678::abcd]:5678",
             "a", "A-b.C", "localhost:1"));
    each(mx_server_name_valid, false,
         IDS("", ":80", "a:", "a:x", "a:123456", "a b", "a_b", "[::1", "[]", "[:]", "[::1]x", "[::1]:", "[zz::1]",
             "a:1:2", "\xc3\xa9.org", "a/b", "a@b"));
    assert_false(mx_server_name_valid(gg_strn("a\0b", 3)));
}

static void user_ids(void **state)
{
    char long_id[300] = "@";
    each(mx_user_id_valid, true, IDS("@a:b", "@:b", "@A b!:b", "@\xc3\xa9:b", "@a:b:80", "@a:[::1]:80"));
    each(mx_user_id_valid, false, IDS("", "@", "a:b", "@a", "@a:", "!a:b", "@a:b c"));
    each(mx_user_id_strict, true, IDS("@a:b", "@a.b_c=d-e/f+1:b"));
    each(mx_user_id_strict, false, IDS("@:b", "@A:b", "@a b:b", "@\xc3\xa9:b"));
    assert_false(mx_user_id_valid(gg_strn("@a\0:b", 5)));
    assert_false(mx_localpart_strict(gg_strn("", 0)));
    memset(long_id + 1, 'x', 252);
    memcpy(long_id + 253, ":b", 3);
    assert_true(mx_user_id_valid(gg_str(long_id)));
    memcpy(long_id + 253, "x:b", 4);
    assert_false(mx_user_id_valid(gg_str(long_id)));
}

static void other_ids(void **state)
{
    each(mx_room_id_valid, true, IDS("!a:b", "!" HASH, "!a b:c:1"));
    each(mx_room_id_valid, false, IDS("", "!", "!a", "#a:b", "!a:", "!" HASH "x"));
    each(mx_room_alias_valid, true, IDS("#a:b", "#a b:b", "#:b"));
    each(mx_room_alias_valid, false, IDS("#a", "a:b", "#a:"));
    each(mx_event_id_valid, true, IDS("$a:b", "$" HASH, "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$x"));
    each(mx_event_id_valid, false, IDS("", "$", "a:b", "$a:", "!a:b"));
}

static void parts(void **state)
{
    assert_true(gg_str_is(mx_id_localpart(GG_STR("@a:b:80")), "a"));
    assert_true(gg_str_is(mx_id_domain(GG_STR("@a:b:80")), "b:80"));
    assert_true(gg_str_is(mx_id_localpart(GG_STR("!" HASH)), HASH));
    assert_null(mx_id_domain(GG_STR("!" HASH)).s);
    assert_null(mx_id_localpart(GG_STR("")).s);
    assert_int_equal(mx_id_localpart(GG_STR("@:b")).n, 0);
}

static void versions(void **state)
{
    size_t n;
    const struct mx_room_version *all = mx_room_version_all(&n);
    assert_int_equal(n, 12);
    for (size_t i = 0; i < n; i++) {
        int number = (int)i + 1;
        const struct mx_room_version *v = mx_room_version_find(gg_str(all[i].id));
        assert_ptr_equal(v, &all[i]);
        assert_true(v->stable);
        assert_int_equal(v->format, number <= 2 ? 1 : number == 3 ? 2 : number <= 11 ? 3 : 4);
        assert_int_equal(v->state_res, number == 1 ? 1 : number <= 11 ? 2 : 3);
        assert_int_equal(v->enforce_key_validity, number >= 5);
        assert_int_equal(v->aliases_auth, number <= 5);
        assert_int_equal(v->aliases_redaction, number <= 5);
        assert_int_equal(v->strict_json, number >= 6);
        assert_int_equal(v->notifications_auth, number >= 6);
        assert_int_equal(v->knock, number >= 7);
        assert_int_equal(v->restricted, number >= 8);
        assert_int_equal(v->restricted_redaction, number >= 9);
        assert_int_equal(v->knock_restricted, number >= 10);
        assert_int_equal(v->integer_power_levels, number >= 10);
        assert_int_equal(v->redacts_in_content, number >= 11);
        assert_int_equal(v->updated_redaction, number >= 11);
        assert_int_equal(v->implicit_creator, number >= 11);
        assert_int_equal(v->byte_limits, number >= 11);
        assert_int_equal(v->creators_privileged, number >= 12);
        assert_int_equal(v->room_id_is_hash, number >= 12);
        assert_int_equal(v->redaction_by_domain, number <= 2);
    }
    assert_null(mx_room_version_find(GG_STR("13")));
    assert_null(mx_room_version_find(GG_STR("")));
    assert_non_null(mx_room_version_find(GG_STR(MX_DEFAULT_ROOM_VERSION)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_names), cmocka_unit_test(user_ids), cmocka_unit_test(other_ids),
        cmocka_unit_test(parts),        cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
