/* engine/xfer/seal.c: keys, one after the other. */
#include "test.h"

#include "engine/xfer/seal.h"
#include "toycrypt.h"

enum { LEN = 60, TEXT = LEN - 32 };

struct way {
    struct skt_seal seal;
    struct skt_unseal unseal;
    uint8_t packet[LEN], text[TEXT];
};

static void begin(struct way *w)
{
    const uint8_t prk[SKT_SHA256] = { 1, 2, 3 };

    assert_int_equal(skt_seal_init(&w->seal, &toycrypt, prk, "secret sender"), 0);
    assert_int_equal(skt_unseal_init(&w->unseal, &toycrypt, prk, "secret sender"), 0);
}

static void end(struct way *w)
{
    skt_seal_done(&w->seal);
    skt_unseal_done(&w->unseal);
}

static void seal(struct way *w, uint64_t number)
{
    memset(w->packet, 6, sizeof w->packet);
    assert_int_equal(skt_seal_packet(&w->seal, number, w->packet, LEN), 0);
}

static bool unseal(struct way *w, skt_time now, uint64_t number)
{
    return skt_unseal_packet(&w->unseal, now, 3 * SKT_SEC, w->packet[1], number, skt_span_of(w->packet, LEN), w->text);
}

static void what_was_sealed_is_opened_and_no_bit_may_change(void **state)
{
    struct way w;

    begin(&w);
    seal(&w, 9);
    assert_true(unseal(&w, 0, 9));
    assert_false(unseal(&w, 0, 10)); /* the number counts */
    for (size_t bit = 0; bit < 8 * LEN; bit++) {
        w.packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(unseal(&w, 0, 9));
        w.packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(unseal(&w, 0, 9));
    end(&w);
}

static void the_end_of_a_text_may_lie_elsewhere(void **state)
{
    uint8_t elsewhere[TEXT], whole[LEN];
    struct way w;

    begin(&w);
    seal(&w, 9);
    memcpy(whole, w.packet, LEN);
    memset(elsewhere, 6, sizeof elsewhere);
    memset(w.packet + LEN - 16 - 10, 0, 10);
    assert_int_equal(skt_seal_tail(&w.seal, 9, w.packet, LEN, skt_span_of(elsewhere, 10)), 0);
    assert_memory_equal(w.packet, whole, LEN);
    memset(elsewhere, 0, sizeof elsewhere);
    assert_true(skt_unseal_tail(
        &w.unseal, 0, 3 * SKT_SEC, w.packet[1], 9, skt_span_of(w.packet, LEN), w.text, skt_room_of(elsewhere, 10)));
    for (size_t i = 0; i < TEXT; i++)
        assert_int_equal(i < TEXT - 10 ? w.text[i] : elsewhere[i - (TEXT - 10)], 6);
    assert_int_equal(elsewhere[10], 0);
    end(&w);
}

static void the_other_direction_has_another_key(void **state)
{
    const uint8_t prk[SKT_SHA256] = { 1, 2, 3 };
    struct way w;

    begin(&w);
    skt_unseal_done(&w.unseal);
    assert_int_equal(skt_unseal_init(&w.unseal, &toycrypt, prk, "secret receiver"), 0);
    seal(&w, 0);
    assert_false(unseal(&w, 0, 0));
    end(&w);
}

static void the_key_changes_when_its_epoch_has_been_acknowledged(void **state)
{
    struct way w;
    uint64_t number = 0;

    begin(&w);
    w.seal.most = 5;
    for (; number < 20; number++)
        seal(&w, number);
    assert_int_equal(w.packet[1], 0); /* nobody has said that he has this key */
    skt_seal_acked(&w.seal, 3);
    seal(&w, number);
    assert_int_equal(w.packet[1], 1);
    assert_true(unseal(&w, 0, number));
    assert_int_equal(w.unseal.epoch, 1);
    for (number++; number < 40; number++)
        seal(&w, number);
    skt_seal_acked(&w.seal, 19); /* of the epoch before */
    seal(&w, number);
    assert_int_equal(w.packet[1], 1);
    end(&w);
}

static void epochs_are_counted_modulo_256(void **state)
{
    struct way w;

    begin(&w);
    w.seal.most = 1;
    for (uint64_t number = 0; number < 1000; number++) {
        seal(&w, number);
        assert_int_equal(w.packet[1], number % 256);
        assert_true(unseal(&w, (skt_time)number, number));
        skt_seal_acked(&w.seal, number);
    }
    assert_int_equal(w.unseal.epoch, 999);
    end(&w);
}

static void the_old_key_is_good_for_a_while(void **state)
{
    uint8_t late[LEN];
    struct way w;

    begin(&w);
    w.seal.most = 1;
    seal(&w, 0);
    memcpy(late, w.packet, LEN);
    skt_seal_acked(&w.seal, 0);
    seal(&w, 1);
    assert_true(unseal(&w, 10 * SKT_SEC, 1));
    memcpy(w.packet, late, LEN);
    assert_true(unseal(&w, 12 * SKT_SEC, 0));
    assert_false(unseal(&w, 13 * SKT_SEC, 0));
    end(&w);
}

static void forged_epochs_move_nothing(void **state)
{
    struct way w;

    begin(&w);
    seal(&w, 0);
    for (int epoch = 1; epoch < 256; epoch++) {
        w.packet[1] = (uint8_t)epoch;
        assert_false(unseal(&w, 0, 0));
    }
    assert_int_equal(w.unseal.epoch, 0);
    w.packet[1] = 0;
    assert_true(unseal(&w, 0, 0));
    end(&w);
}

RUN(T(what_was_sealed_is_opened_and_no_bit_may_change), T(the_end_of_a_text_may_lie_elsewhere),
    T(the_other_direction_has_another_key), T(the_key_changes_when_its_epoch_has_been_acknowledged),
    T(epochs_are_counted_modulo_256), T(the_old_key_is_good_for_a_while), T(forged_epochs_move_nothing))
