-- How well the models of customer value fit, and their parameters.
with clv_fit as (
    select * from intermediate.clv_fit
),

final as (
    select
        'bgnbd' as model,
        bgnbd_r as r,
        bgnbd_alpha as alpha,
        bgnbd_a as a,
        bgnbd_b as b,
        bgnbd_purchase_rate as purchase_rate,
        bgnbd_dropout_probability as dropout_probability,
        cast(null as double) as p,
        cast(null as double) as q,
        cast(null as double) as v,
        cast(null as double) as mean_value,
        bgnbd_r_standard_error as r_standard_error,
        bgnbd_alpha_standard_error as alpha_standard_error,
        bgnbd_a_standard_error as a_standard_error,
        bgnbd_b_standard_error as b_standard_error,
        cast(null as double) as p_standard_error,
        cast(null as double) as q_standard_error,
        cast(null as double) as v_standard_error,
        bgnbd_log_likelihood as log_likelihood,
        bgnbd_customers as customers,
        bgnbd_is_converged as is_converged,
        bgnbd_is_boundary as is_boundary
    from clv_fit
    union all
    select
        'gamma_gamma' as model,
        cast(null as double) as r,
        cast(null as double) as alpha,
        cast(null as double) as a,
        cast(null as double) as b,
        cast(null as double) as purchase_rate,
        cast(null as double) as dropout_probability,
        gamma_gamma_p as p,
        gamma_gamma_q as q,
        gamma_gamma_v as v,
        gamma_gamma_mean_value as mean_value,
        cast(null as double) as r_standard_error,
        cast(null as double) as alpha_standard_error,
        cast(null as double) as a_standard_error,
        cast(null as double) as b_standard_error,
        gamma_gamma_p_standard_error as p_standard_error,
        gamma_gamma_q_standard_error as q_standard_error,
        gamma_gamma_v_standard_error as v_standard_error,
        gamma_gamma_log_likelihood as log_likelihood,
        gamma_gamma_customers as customers,
        gamma_gamma_is_converged as is_converged,
        gamma_gamma_is_boundary as is_boundary
    from clv_fit
)

select * from final
