-- The project's own functions, as far as DuckDB can say them in one expression.
create macro business_day(ts) as cast(timezone('Europe/London', ts) as date);
create macro local_time(ts) as timezone('Europe/London', ts);
create macro day_start(day) as timezone('Europe/London', cast(day as timestamp));
create macro add_days(day, n) as day + cast(n as integer);
create macro days_between(earlier, later) as cast(later - earlier as bigint);
create macro months_between(earlier, later) as date_sub('month', earlier, later);
create macro round_cents(x) as cast(x as decimal(18, 2));
create macro to_char(day, format) as strftime(day, format);

create macro logistic_score(model, features) as
    1e0 / (1e0 + exp(
        -(model.intercept + list_dot_product(model.coefficients, features))
    ));

create macro kmeans_distances(model, features) as list_transform(
    model.centres,
    lambda centre: list_distance(
        centre,
        list_transform(
            features,
            lambda feature, place:
                (feature - model.means[place]) / model.deviations[place]
        )
    )
);
create macro kmeans_cluster(model, features) as list_position(
    kmeans_distances(model, features),
    list_min(kmeans_distances(model, features))
);

create macro bgnbd_p_alive(model, x, t_x, t) as case
    when x = 0 then 1e0
    else
        1e0 / (
            1e0
            + model.a / (model.b + x - 1)
            * power((model.alpha + t) / (model.alpha + t_x), model.r + x)
        )
end;
create macro mbgnbd_p_alive(model, x, t_x, t) as cast(null as double);
create macro pareto_nbd_p_alive(model, x, t_x, t) as cast(null as double);

create macro gamma_gamma_expected_value(model, x, monetary) as case
    when x > 0 and monetary > 0
        then
            model.p * (model.v + x * monetary) / (model.p * x + model.q - 1)
    else model.p * model.v / (model.q - 1)
end;

-- 1.959963984540054 is the normal distribution's quantile at 0.975.
create macro wald_interval(k, n, other_k, other_n) as case
    when n > 0 and other_n > 0
        then {
            'low':
                cast(k as double) / n - cast(other_k as double) / other_n
                - 1.959963984540054e0 * sqrt(
                    cast(k as double) / n * (1 - cast(k as double) / n) / n
                    + cast(other_k as double) / other_n
                    * (1 - cast(other_k as double) / other_n) / other_n
                ),
            'high':
                cast(k as double) / n - cast(other_k as double) / other_n
                + 1.959963984540054e0 * sqrt(
                    cast(k as double) / n * (1 - cast(k as double) / n) / n
                    + cast(other_k as double) / other_n
                    * (1 - cast(other_k as double) / other_n) / other_n
                )
        }
end;

create macro wilson_low(k, n) as greatest(
    0e0,
    (
        2e0 * k + power(1.959963984540054e0, 2)
        - 1.959963984540054e0 * sqrt(
            power(1.959963984540054e0, 2)
            + 4e0 * k * (1 - cast(k as double) / n)
        )
    ) / (2e0 * (n + power(1.959963984540054e0, 2)))
);
create macro wilson_high(k, n) as least(
    1e0,
    (
        2e0 * k + power(1.959963984540054e0, 2)
        + 1.959963984540054e0 * sqrt(
            power(1.959963984540054e0, 2)
            + 4e0 * k * (1 - cast(k as double) / n)
        )
    ) / (2e0 * (n + power(1.959963984540054e0, 2)))
);
create macro newcombe_interval(k, n, other_k, other_n) as case
    when n > 0 and other_n > 0
        then {
            'low':
                cast(k as double) / n - cast(other_k as double) / other_n
                - sqrt(
                    power(cast(k as double) / n - wilson_low(k, n), 2)
                    + power(
                        wilson_high(other_k, other_n)
                        - cast(other_k as double) / other_n,
                        2
                    )
                ),
            'high':
                cast(k as double) / n - cast(other_k as double) / other_n
                + sqrt(
                    power(wilson_high(k, n) - cast(k as double) / n, 2)
                    + power(
                        cast(other_k as double) / other_n
                        - wilson_low(other_k, other_n),
                        2
                    )
                )
        }
end;
-- DuckDB has no quantile of Student's distribution: not compared.
create macro welch_interval(mean, variance, n, other_mean, other_variance, other_n)
    as {'low': cast(null as double), 'high': cast(null as double)};
