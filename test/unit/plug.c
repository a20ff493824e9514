/* drive/plug.c, and what the fronts say when a module is not installed. */
#include "test.h"

#include "drive/plug.h"

static const void *no_plug(const char *name) { return NULL; }

#define skt_plug no_plug
#include "drive/crypt.c"
#include "drive/dns.c"
#include "drive/qr.c"
#include "drive/tls.c"
#undef skt_plug

static void a_module_is_found_by_its_name_and_once(void **state)
{
    const struct skt_tls_ops *tls = skt_plug("tls");

    assert_non_null(tls);
    assert_non_null(tls->session_new);
    assert_ptr_equal(skt_plug("tls"), tls);
    assert_non_null(skt_plug("dns"));
}

static void what_is_no_module_is_not_found(void **state)
{
    char longest[5000];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_null(skt_plug("nosuch"));
    assert_null(skt_plug(""));
    assert_null(skt_plug(longest));
}

static void without_its_module_tls_says_what_is_missing(void **state)
{
    char text[256] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls *tls;

    assert_int_equal(skt_tls_new(&(struct skt_tls_conf){ 0 }, &tls, &why), -ENOSYS);
    assert_non_null(strstr(text, "sockit-tls.so"));
    assert_int_equal(skt_tls_new(&(struct skt_tls_conf){ 0 }, &tls, NULL), -ENOSYS);
}

static void without_its_module_only_numbers_resolve(void **state)
{
    struct skt_dns_answer answer = { 0 };
    struct skt_dns *dns;

    assert_int_equal(skt_dns_new(NULL, &dns), 0);
    assert_int_equal(skt_dns_load(dns), -ENOSYS);
    assert_int_equal(skt_dns_ask(dns, 1, "name.test", 80), 0);
    assert_int_equal(skt_dns_ask(dns, 2, "::1", 80), 0);
    assert_true(skt_dns_next(dns, &answer) && answer.token == 1);
    assert_int_equal(answer.why, -ENOSYS);
    assert_non_null(strstr(answer.text, "sockit-dns.so"));
    assert_true(skt_dns_next(dns, &answer) && answer.token == 2 && !answer.why);
    skt_dns_step(dns, 0);
    skt_dns_free(dns);
}

static void without_their_modules_nothing_is_encrypted_or_drawn(void **state)
{
    struct skt_room nowhere = { 0 };

    assert_null(skt_crypt());
    assert_int_equal(skt_qr("text", &nowhere), -ENOSYS);
    assert_false(nowhere.bad);
}

RUN(T(a_module_is_found_by_its_name_and_once), T(what_is_no_module_is_not_found),
    T(without_its_module_tls_says_what_is_missing), T(without_its_module_only_numbers_resolve),
    T(without_their_modules_nothing_is_encrypted_or_drawn))
