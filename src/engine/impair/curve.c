/* curve: tc-netem draws from tables of 4096 numbers in units of sigma, cut at 4. These are the formulas of which such
 * tables are made, with the tables' scale:
 *   normal        the quantile of N(0, 1)
 *   pareto        (u^(-1/3) - 3/2) * 4/3: shape 3, moved to mean 0; its sigma is 2/sqrt(3), and .82 after the cut
 *   paretonormal  a quarter of the normal and three of the pareto, with the same u */
#include "engine/impair/curve.h"

#include "base/banned.h"

static const double units_max = 32767.0 / 8192; /* what a 16 bit number of the tables holds */
static const double ln2 = 0.69314718055994530942;

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- roots and logarithms ---- x is normal and above 0 */

static const uint64_t one_bits = 0x3ff0000000000000; /* of 1.0: the exponent's offset */

/* Newton. The first guess divides the exponent, and is within 13 % then; each turn squares the error. */
static double root_below(double x) /* 1 / sqrt(x) */
{
    double y = double_of(one_bits + one_bits / 2 - bits_of(x) / 2);

    for (int i = 0; i < 5; i++)
        y *= 1.5 - .5 * x * y * y;
    return y;
}

static double cube_root_below(double x) /* 1 / cbrt(x) */
{
    double y = double_of(one_bits + one_bits / 3 - bits_of(x) / 3);

    for (int i = 0; i < 5; i++)
        y += y * (1 - x * y * y * y) / 3;
    return y;
}

double skt_curve_sqrt(double x) { return x < 1e-300 ? 0 : x * root_below(x); }

static double log_of(double x)
{
    uint64_t bits = bits_of(x);
    int exponent = (int)(bits >> 52) - 1023;
    double m = double_of((bits & ~(0xfffull << 52)) | one_bits), s, square, sum = 0;

    if (m > 1.5) { /* .75 < m <= 1.5 */
        m /= 2;
        exponent++;
    }
    s = (m - 1) / (m + 1); /* log m = 2 atanh s; |s| <= .2: eleven terms leave 1e-17 */
    square = s * s;
    for (int k = 21; k > 0; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * s * sum + exponent * ln2;
}

static double exp_of_minus(double x) /* exp(-x), 0 <= x < 700 */
{
    int halvings = (int)(x / ln2 + .5);
    double r = halvings * ln2 - x, sum = 1; /* |r| <= ln2 / 2 */

    for (int k = 14; k > 0; k--)
        sum = 1 + sum * r / k;
    return sum * double_of((uint64_t)(1023 - halvings) << 52);
}

/* ---- the normal distribution ---- */

/* Wichura, Algorithm AS 241 (1988), PPND7: rational functions of q near the middle, of sqrt(-log u) in the tails. */
double skt_curve_normal(double u)
{
    double q = u - .5, r, z;

    if (-.425 <= q && q <= .425) {
        r = .180625 - q * q;
        return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) /
               (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1);
    }
    r = q < 0 ? u : 1 - u;
    r = skt_curve_sqrt(-log_of(r > 1e-300 ? r : 1e-300));
    if (r <= 5) {
        r -= 1.6;
        z = (((.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777) /
            ((.12021132975 * r + .73700164250) * r + 1);
    } else {
        r -= 5;
        z = (((.017337203997 * r + .42868294337) * r + 3.0812263860) * r + 6.6579051150) /
            ((.012258202635 * r + .24197894225) * r + 1);
    }
    return q < 0 ? -z : z;
}

/* The density times z + z^3/3 + z^5/(3*5) + ... */
double skt_curve_normal_share(double z)
{
    const double density = 0.39894228040143267794; /* 1 / sqrt(2 pi) */
    double term = z, sum = z, share;

    if (z < -7 || 7 < z)
        return z < 0 ? 0 : 1;
    for (int k = 3; k < 200 && (term > 1e-17 || term < -1e-17); k += 2) {
        term *= z * z / k;
        sum += term;
    }
    share = .5 + sum * density * exp_of_minus(z * z / 2);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* ---- tc-netem's units ---- */

static double cut(double units) { return units > units_max ? units_max : units < -units_max ? -units_max : units; }

static double pareto(double u)
{
    double above = 1 - u; /* the share above: the tail is at u = 1 */

    return cut((cube_root_below(above > 1e-12 ? above : 1e-12) - 1.5) * (4.0 / 3));
}

/* Of a normal score and the share below it, which are the same thing. */
static double units(enum skt_dist dist, double z, double u)
{
    switch (dist) {
    case SKT_UNIFORM: return 2 * u - 1;
    case SKT_NORMAL: return cut(z);
    case SKT_PARETO: return pareto(u);
    case SKT_PARETONORMAL: return .25 * cut(z) + .75 * pareto(u);
    }
    return 0;
}

static bool needs_score(enum skt_dist dist) { return dist == SKT_NORMAL || dist == SKT_PARETONORMAL; }

double skt_curve(enum skt_dist dist, double u) { return units(dist, needs_score(dist) ? skt_curve_normal(u) : 0, u); }

double skt_curve_score(enum skt_dist dist, double z)
{
    return units(dist, z, dist == SKT_NORMAL ? 0 : skt_curve_normal_share(z));
}
