-- The models of customer value, fitted over all buyers: one row. A parameter
-- at a boundary is null or 0, and the predictions come from the limit, which
-- purchase_rate and dropout_probability describe.
with clv_inputs as (
    select * from intermediate.clv_inputs
),

buyers as (
    select * from intermediate.buyers
),

-- Gamma-Gamma speaks of customers who came back and paid. If all of them spend
-- exactly the same (there is only one, say), its likelihood has no bound and
-- there is nothing to fit: every purchase is worth that.
spending as (
    select
        min(monetary) as least_monetary,
        max(monetary) as greatest_monetary
    from clv_inputs
    where frequency > 0 and monetary > 0
),

fits as (
    select
        bgnbd_fit(clv_inputs.frequency, clv_inputs.recency, clv_inputs.age)
            as bgnbd,
        gamma_gamma_fit(clv_inputs.frequency, clv_inputs.monetary)
            filter (
                where
                clv_inputs.frequency > 0
                and clv_inputs.monetary > 0
                and spending.least_monetary < spending.greatest_monetary
            ) as gamma_gamma
    from clv_inputs
    cross join spending
),

equal_spending as (
    select
        least_monetary as mean_value,
        (
            select count(*)
            from clv_inputs
            where frequency > 0 and monetary > 0
        ) as customers
    from spending
    where least_monetary = greatest_monetary
),

totals as (
    select
        cast(sum(margin) as double)
        / nullif(cast(sum(revenue) as double), 0.0) as margin_rate
    from buyers
),

final as (
    select
        $as_of as fitted_on,
        fits.bgnbd['r'] as bgnbd_r,
        fits.bgnbd['alpha'] as bgnbd_alpha,
        fits.bgnbd['a'] as bgnbd_a,
        fits.bgnbd['b'] as bgnbd_b,
        fits.bgnbd['purchase_rate'] as bgnbd_purchase_rate,
        fits.bgnbd['dropout_probability'] as bgnbd_dropout_probability,
        fits.bgnbd['r_standard_error'] as bgnbd_r_standard_error,
        fits.bgnbd['alpha_standard_error'] as bgnbd_alpha_standard_error,
        fits.bgnbd['a_standard_error'] as bgnbd_a_standard_error,
        fits.bgnbd['b_standard_error'] as bgnbd_b_standard_error,
        fits.bgnbd['log_likelihood'] as bgnbd_log_likelihood,
        nullif(cast(fits.bgnbd['customers'] as bigint), 0) as bgnbd_customers,
        fits.bgnbd['is_converged'] as bgnbd_is_converged,
        fits.bgnbd['is_boundary'] as bgnbd_is_boundary,
        fits.gamma_gamma['p'] as gamma_gamma_p,
        fits.gamma_gamma['q'] as gamma_gamma_q,
        fits.gamma_gamma['v'] as gamma_gamma_v,
        coalesce(equal_spending.mean_value, fits.gamma_gamma['mean_value'])
            as gamma_gamma_mean_value,
        fits.gamma_gamma['p_standard_error'] as gamma_gamma_p_standard_error,
        fits.gamma_gamma['q_standard_error'] as gamma_gamma_q_standard_error,
        fits.gamma_gamma['v_standard_error'] as gamma_gamma_v_standard_error,
        fits.gamma_gamma['log_likelihood'] as gamma_gamma_log_likelihood,
        coalesce(
            equal_spending.customers,
            nullif(cast(fits.gamma_gamma['customers'] as bigint), 0)
        ) as gamma_gamma_customers,
        equal_spending.mean_value is not null
        or fits.gamma_gamma['is_converged'] as gamma_gamma_is_converged,
        equal_spending.mean_value is not null
        or fits.gamma_gamma['is_boundary'] as gamma_gamma_is_boundary,
        totals.margin_rate
    from fits
    cross join totals
    left join equal_spending on true
)

select * from final
