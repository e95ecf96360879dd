-- The models of customer value, fitted over all buyers: one row. A parameter
-- at a boundary is null or 0, and the predictions come from the limit, which
-- the purchase rate and the drop-out probability or rate describe.
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
        mbgnbd_fit(clv_inputs.frequency, clv_inputs.recency, clv_inputs.age)
            as mbgnbd,
        pareto_nbd_fit(
            clv_inputs.frequency, clv_inputs.recency, clv_inputs.age
        ) as pareto_nbd,
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
        fits.mbgnbd['r'] as mbgnbd_r,
        fits.mbgnbd['alpha'] as mbgnbd_alpha,
        fits.mbgnbd['a'] as mbgnbd_a,
        fits.mbgnbd['b'] as mbgnbd_b,
        fits.mbgnbd['purchase_rate'] as mbgnbd_purchase_rate,
        fits.mbgnbd['dropout_probability'] as mbgnbd_dropout_probability,
        fits.mbgnbd['r_standard_error'] as mbgnbd_r_standard_error,
        fits.mbgnbd['alpha_standard_error'] as mbgnbd_alpha_standard_error,
        fits.mbgnbd['a_standard_error'] as mbgnbd_a_standard_error,
        fits.mbgnbd['b_standard_error'] as mbgnbd_b_standard_error,
        fits.mbgnbd['log_likelihood'] as mbgnbd_log_likelihood,
        nullif(cast(fits.mbgnbd['customers'] as bigint), 0) as mbgnbd_customers,
        fits.mbgnbd['is_converged'] as mbgnbd_is_converged,
        fits.mbgnbd['is_boundary'] as mbgnbd_is_boundary,
        fits.pareto_nbd['r'] as pareto_nbd_r,
        fits.pareto_nbd['alpha'] as pareto_nbd_alpha,
        fits.pareto_nbd['s'] as pareto_nbd_s,
        fits.pareto_nbd['beta'] as pareto_nbd_beta,
        fits.pareto_nbd['purchase_rate'] as pareto_nbd_purchase_rate,
        fits.pareto_nbd['dropout_probability']
            as pareto_nbd_dropout_probability,
        fits.pareto_nbd['dropout_rate'] as pareto_nbd_dropout_rate,
        fits.pareto_nbd['r_standard_error'] as pareto_nbd_r_standard_error,
        fits.pareto_nbd['alpha_standard_error']
            as pareto_nbd_alpha_standard_error,
        fits.pareto_nbd['s_standard_error'] as pareto_nbd_s_standard_error,
        fits.pareto_nbd['beta_standard_error']
            as pareto_nbd_beta_standard_error,
        fits.pareto_nbd['log_likelihood'] as pareto_nbd_log_likelihood,
        nullif(cast(fits.pareto_nbd['customers'] as bigint), 0)
            as pareto_nbd_customers,
        fits.pareto_nbd['is_converged'] as pareto_nbd_is_converged,
        fits.pareto_nbd['is_boundary'] as pareto_nbd_is_boundary,
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
