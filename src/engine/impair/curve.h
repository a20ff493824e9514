#pragma once
#include "engine/impair/path.h"

/* curve: distributions, by additions, multiplications and divisions alone: every machine draws the same times. */

/* What a share u (0 < u < 1) of all is below, in units of the distribution: uniform -1..1, the others -4..4. */
double skt_curve(enum skt_dist dist, double u);
double skt_curve_score(enum skt_dist dist, double z); /* the same for the share that is below z of the normal one */
double skt_curve_normal(double u);                    /* the same of the normal one, uncut; relative error below 1e-6 */
double skt_curve_normal_share(double z);              /* its inverse, to 1e-12 */
double skt_curve_sqrt(double x);                      /* 0 <= x */
