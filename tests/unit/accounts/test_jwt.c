/* JSON web tokens: signatures that another implementation made (throw-away keys), and what must not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "accounts/jwt.h"

#include <stdlib.h>

static const char key_r[] =
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7GEMDygGUNq3BIwUh5hX\nPi4M7ZUI"
    "ynIpnZpSeGSs4bowxpCgrH5R/vPOCry8ADoB4VwB50VKjdQmJ6vJgBXr\noEQT72BTJIPcZRwMd1OXECCAIjVDrgF60kH4Lwaemft"
    "SyQDOURnwqx0hnU03wIDN\n1gbU09lfAn6c9CT+8hm+jzCsYkQ/+9ufXVJ1lM1KNXr62GSDb5XkNy2j1HiOFI0T\nuFUJ75LpuevnP"
    "3F+5HG6objeHca+qPkG3dkbGTa3/eKRa4m2l95531Xb9QJHlOpE\nxGWUeeklFbnNM6w6PPezp1UuP62QhzX2vevU8ZydPhRR0bM0"
    "jECWJzCjJFJFpYux\nJwIDAQAB\n-----END PUBLIC KEY-----\n";
static const char key_e256[] =
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERspHvoYH5Mzx88hp7jccUNlX/mzk\nEru1vpNR"
    "KT2Od7htms7u/Cv8ELxnJzxh+ktkChXGLieLym5+XrmQyR3Z0g==\n-----END PUBLIC KEY-----\n";
static const char key_e384[] =
    "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE6xBcWYpfIqg4VpsJzNWPvG/jptNXx9Gm\npEE1UvEc"
    "jORinjU6yTrvxchfaEUKxGw1wBbJn8VHDJAHX1CmE4PcksM9fAz+Cswm\n61O5iCklo/cepd/cg33geKBunss0P6OJ\n-----END P"
    "UBLIC KEY-----\n";
static const char key_e521[] =
    "-----BEGIN PUBLIC KEY-----\nMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAT6tBXxK2nHzZCUjaekf6P/FaoDAV\nBcdJ3fti"
    "hZwvesvTvkRY69/9Dsctbae35jeB/G80cEHjj1SPPQ6HT9yu3HwB9X+l\nhjVF+jgpocCIS3E4ZeruL38rWizJvu9yii5xwA8z160"
    "6nMoQ0CI6xkwzo8oOSuag\n+PCiLq6UIwd61PAoamk=\n-----END PUBLIC KEY-----\n";
static const struct {
    const char *algorithm, *key, *token;
} vectors[] = {
    {"HS256", "a secret",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.y0ukr71Bm6H944lZo1piYJyusk_r98J4hWNNO7aPDJ"
    "g"},
    {"HS384", "a secret",
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.6zg4qOmNATfe2cHQ6_Mxgb6YNElf5u2V4qEBPA1mSs"
    "Jne94rBiaW6JjkHDPQ-Wbw"},
    {"HS512", "a secret",
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.4njOsKWCtuYJ6POhT8_14uxdPqp7GhI7xInFo1-VdI"
    "5SDhzEVILJigZkaDKnA6Ng0MAuzyyttsuM9lNaQ_fpTw"},
    {"RS256", key_r,
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.ak6VxdqauP_LNs7UeImY_t6ifWLRfXudVD65UFLZQo"
    "TMeHI8QSSAcGCiD6uLIEksUlKKQdtLLgcuKM5mgwuuURZ1UoQv7ynsN4AWu61q7KvxrlGa2Bj5jUqYID9HKQNhqBKXsycq3j1jN_"
    "jo3e8IWr3TPSrQXV08rF8qdx7ynJtIURBtQXpgHmWGvz-Efw02lT5qZYAXIh0WSogAScbXnj3wqKvHZiS6202pbbCWKH1pR6wc9p"
    "xCBqDhJ1qbHVTve-PvMdlYCxdojo6XzAzxJM_8xeU90uOI5mKdqByNOEvDyyMjUJBtDhcTAgrB0VmOiHs1Y0GVcj-FALhvLeOcfg"},
    {"RS512", key_r,
    "eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.yeWhHRU32JrZUSSdi5pJr1U59YjcJaLPh5pl081Hs7"
    "ODLFYBwi21REWcUgtCOAvlukBIlPvWWRjCyrKI2bMGHtXkCiYsj-muT1_H0EyW_76DmGg0CjEVkiEKc-JM2LbZP1tbw3dEFxfJGQ"
    "yvpSG7KMsn5g9fuWoyDIaRtrWWdltUo3hjxZhyuOwbKVOqkga_SX1-kwkdnkiB64FHnbusFMZwPIGyrIfx_Rr2F-lH0HX2n6RUzI"
    "zSknJOb27STE9Wp2z3OT3F7LjwYcrfWuu0o1EvBsRmJ56vNW96__OydKW7x99oEQz2LVaR4P7BNtGnmmTRxBXVETpiEp7_oX9fSw"},
    {"PS256", key_r,
    "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.S2ez0stZpcmGgPDO4oNobHJr_C46IIksmMbIUNu_Fi"
    "OB8g3z35o7zc28gtyHPiMgcdQzPhUXN1fTMRnmXQip9r3H5ZSAxq4sn7S0dZ7AsivkX7CBC2WpI1yRG8KhgUfw3ZKMxyVx0qUW6P"
    "lA85Kl0jfN2M99O1gUs4hsjk0TxYClQVJELV4I5_DTAP9poUmD0SVECwc0kqKwYOhGtt1gSkkrrobYg7BM94bnWeKEfdjdipXgt6"
    "8j8PuBXHfB9mnzZa_5FfM48ycKLXYrElxb5ROHHVz8VNbR8ztipj9Z1RLFjG24QJKhD5YiC_TubEv2DAsSV0XDTqU-mxkfE8xzbg"},
    {"PS384", key_r,
    "eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.vSJgS9BR6QHyyBCCWOHh2dkWfaWu-T8QXA-K1WoqzT"
    "mSMjFu11zqf7p6Fb2Rpd54Zl61BM9pk2hREv66L8xXX1OgjrGf4FTmTLxI_HbiazzTzwl5FwiaTMgqwBjkNRrqzja9NsCHEYmb1K"
    "mUImRQImE61y_pD2XlFM1bedfSJqXDx4Hc9dqGAJ7g3dD7p6TU7-vnh5PJ_6gadITG7bG3cwJE3DwGoFLVCK5bR7xZxsE9i9bIao"
    "YEd3Pqlq45DgR2sAZheCscn_PDX__Yefnb-OKV3HAZm9tsX2Dy_3Xsi5T2w5oj8xpAs701a5sE7WxR3sg2enj5tbchw1H2qA7Xdg"},
    {"ES256", key_e256,
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.56Rkoj8BxsHXvpSvt0WvFyXUfgsyMY6lb9dtZEX9bg"
    "3icQECrssVu-ZE63Ye2FQno3pNQ9EIBy5pGqsEXldsIQ"},
    {"ES384", key_e384,
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.I1XwPrDpReX7TfdHZNGIJDWAsiOhXoyi2LBLjlzU6s"
    "2sFAw1yGoyJXVlPLkOBJMLnRSzbDXraBqcl4fHiFqRZh2MOn3qhZEI9M7a0wbZwzRnf78FMk91gsSzgPufdIZJ"},
    {"ES512", key_e521,
    "eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYXJvbCJ9.ARe3o9Ycw6rFGFzJDhBW1bvLe2zNS0M4ZHY3BHCeTM"
    "ds5Tcwb7bpKQR2HF1VAZodu6sIjrEegEm4msVpIFutX9NrAbVv12X_oxwgk3mNzBydIFnYmvMGLP-hJrZrfeOTeyqxW_k9bXeeQJ"
    "r3uG-isybu7nVXzN5QYQYCkth3GyoOpBQI"},
};

static json_t *open_text(const char *token, size_t n, const char *algorithm, const char *key)
{
    const char *why;
    return mx_jwt_open(gg_strn(token, n), algorithm, key, &why);
}

static void test_each_algorithm(void **state)
{
    for (size_t i = 0; i < GG_COUNT(vectors); i++) {
        const char *token = vectors[i].token;
        assert_true(mx_jwt_key_fits(vectors[i].algorithm, vectors[i].key));
        json_t *claims = open_text(token, strlen(token), vectors[i].algorithm, vectors[i].key);
        assert_non_null(claims);
        assert_string_equal(json_string_value(json_object_get(claims, "sub")), "carol");
        json_decref(claims);
    }
}

/* Each changed character, each shorter token, each other algorithm. */
static void test_nothing_else_passes(void **state)
{
    for (size_t i = 0; i < GG_COUNT(vectors); i++) {
        size_t n = strlen(vectors[i].token), step = n / 40 + 1;
        char *copy = malloc(n + 1);
        for (size_t at = 0; at + 1 < n; at += step) { /* the last character may hold bits that stand for nothing */
            memcpy(copy, vectors[i].token, n + 1);
            copy[at] = copy[at] == 'A' ? 'B' : 'A';
            assert_null(open_text(copy, n, vectors[i].algorithm, vectors[i].key));
            assert_null(open_text(vectors[i].token, at, vectors[i].algorithm, vectors[i].key));
        }
        free(copy);
        for (size_t k = 0; k < GG_COUNT(vectors); k++)
            if (k != i)
                assert_null(open_text(vectors[i].token, n, vectors[k].algorithm, vectors[k].key));
        assert_null(open_text(vectors[i].token, n, vectors[i].algorithm, "another"));
    }
}

/* eyJhbGciOiJub25lIn0: {"alg":"none"}; eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ: HS256 with crit. */
static void test_what_is_no_token(void **state)
{
    static const char *const texts[] = {"", ".", "..", "...", "a.b", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJub25lIn0.e30.AA",
                                        "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ.e30.AA", "e30.e30.e30", "W10.W10.W10"};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        assert_null(open_text(texts[i], strlen(texts[i]), "HS256", "a secret"));
        assert_null(open_text(texts[i], strlen(texts[i]), "none", "a secret"));
    }
}

static void test_keys(void **state)
{
    assert_false(mx_jwt_key_fits("HS256", ""));
    assert_false(mx_jwt_key_fits("HS256", NULL));
    assert_false(mx_jwt_key_fits("none", "x"));
    assert_false(mx_jwt_key_fits(NULL, "x"));
    assert_false(mx_jwt_key_fits("RS256", "x"));
    assert_false(mx_jwt_key_fits("RS256", key_e256));
    assert_false(mx_jwt_key_fits("ES256", key_r));
    assert_false(mx_jwt_key_fits("ES256", key_e384));
}

static void test_claims(void **state)
{
    static const char *const ours[] = {"us", "we"};
    static const struct {
        const char *claims;
        bool good;
    } cases[] = {
        {"{\"iss\":\"them\",\"aud\":\"us\"}", true},
        {"{\"iss\":\"them\",\"aud\":[\"x\",\"we\"],\"exp\":1001,\"nbf\":1000,\"iat\":1000}", true},
        {"{\"iss\":\"them\",\"aud\":\"us\",\"exp\":1000}", false},
        {"{\"iss\":\"them\",\"aud\":\"us\",\"exp\":\"x\"}", false},
        {"{\"iss\":\"them\",\"aud\":\"us\",\"exp\":null}", false},
        {"{\"iss\":\"them\",\"aud\":\"us\",\"nbf\":1001}", false},
        {"{\"iss\":\"them\",\"aud\":\"us\",\"iat\":1001}", false},
        {"{\"iss\":\"me\",\"aud\":\"us\"}", false},
        {"{\"iss\":[\"them\"],\"aud\":\"us\"}", false},
        {"{\"aud\":\"us\"}", false},
        {"{\"iss\":\"them\"}", false},
        {"{\"iss\":\"them\",\"aud\":[\"x\",5]}", false},
        {"{\"iss\":\"them\",\"aud\":{\"us\":1}}", false},
    };
    for (size_t i = 0; i < GG_COUNT(cases); i++) {
        json_t *claims = json_loads(cases[i].claims, 0, NULL);
        assert_int_equal(mx_jwt_judge(claims, "them", ours, 2, 1000) == NULL, cases[i].good);
        json_decref(claims);
    }
    json_t *nothing = json_object();
    assert_null(mx_jwt_judge(nothing, NULL, NULL, 0, 1000));
    json_decref(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_algorithm), cmocka_unit_test(test_nothing_else_passes),
        cmocka_unit_test(test_what_is_no_token), cmocka_unit_test(test_keys), cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
