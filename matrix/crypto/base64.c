/* base64.c: unpadded base64 in both alphabets (specification, appendix "Unpadded Base64"). */
#include <ganglion/matrix/crypto.h>

size_t mx_base64(const void *data, size_t n, bool url_safe, char *out)
{
    static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *alphabet = url_safe ? safe : standard;
    const uint8_t *p = data;
    char *o = out;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        if (n == 2)
            *o++ = alphabet[v >> 6 & 63];
    }
    *o = '\0';
    return (size_t)(o - out);
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int64_t mx_unbase64(struct gg_str in, void *out)
{
    uint8_t *o = out;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = in.n;
    if (n > 0 && n % 4 == 0) /* padding fills up groups of four */
        for (int padding = 0; padding < 2 && in.s[n - 1] == '='; padding++)
            n--;
    if (n % 4 == 1)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int digit = digit_of(in.s[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *o++ = (uint8_t)(bits >> have);
        }
    }
    return o - (uint8_t *)out;
}
