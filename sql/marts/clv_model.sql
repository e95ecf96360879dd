-- How well the models of customer value fit, and their parameters: what a model
-- does not have is null.
with clv_fit as (
    select * from intermediate.clv_fit
),

models as (
    select
        'bgnbd' as model,
        $clv_model = 'bgnbd' as is_selected,
        bgnbd_r as r,
        bgnbd_alpha as alpha,
        bgnbd_a as a,
        bgnbd_b as b,
        bgnbd_purchase_rate as purchase_rate,
        bgnbd_dropout_probability as dropout_probability,
        bgnbd_r_standard_error as r_standard_error,
        bgnbd_alpha_standard_error as alpha_standard_error,
        bgnbd_a_standard_error as a_standard_error,
        bgnbd_b_standard_error as b_standard_error,
        bgnbd_log_likelihood as log_likelihood,
        bgnbd_customers as customers,
        bgnbd_is_converged as is_converged,
        bgnbd_is_boundary as is_boundary
    from clv_fit
    union all by name
    select
        'mbgnbd' as model,
        $clv_model = 'mbgnbd' as is_selected,
        mbgnbd_r as r,
        mbgnbd_alpha as alpha,
        mbgnbd_a as a,
        mbgnbd_b as b,
        mbgnbd_purchase_rate as purchase_rate,
        mbgnbd_dropout_probability as dropout_probability,
        mbgnbd_r_standard_error as r_standard_error,
        mbgnbd_alpha_standard_error as alpha_standard_error,
        mbgnbd_a_standard_error as a_standard_error,
        mbgnbd_b_standard_error as b_standard_error,
        mbgnbd_log_likelihood as log_likelihood,
        mbgnbd_customers as customers,
        mbgnbd_is_converged as is_converged,
        mbgnbd_is_boundary as is_boundary
    from clv_fit
    union all by name
    select
        'pareto_nbd' as model,
        $clv_model = 'pareto_nbd' as is_selected,
        pareto_nbd_r as r,
        pareto_nbd_alpha as alpha,
        pareto_nbd_s as s,
        pareto_nbd_beta as beta,
        pareto_nbd_purchase_rate as purchase_rate,
        pareto_nbd_dropout_probability as dropout_probability,
        pareto_nbd_dropout_rate as dropout_rate,
        pareto_nbd_r_standard_error as r_standard_error,
        pareto_nbd_alpha_standard_error as alpha_standard_error,
        pareto_nbd_s_standard_error as s_standard_error,
        pareto_nbd_beta_standard_error as beta_standard_error,
        pareto_nbd_log_likelihood as log_likelihood,
        pareto_nbd_customers as customers,
        pareto_nbd_is_converged as is_converged,
        pareto_nbd_is_boundary as is_boundary
    from clv_fit
    union all by name
    select
        'gamma_gamma' as model,
        true as is_selected,
        gamma_gamma_p as p,
        gamma_gamma_q as q,
        gamma_gamma_v as v,
        gamma_gamma_mean_value as mean_value,
        gamma_gamma_p_standard_error as p_standard_error,
        gamma_gamma_q_standard_error as q_standard_error,
        gamma_gamma_v_standard_error as v_standard_error,
        gamma_gamma_log_likelihood as log_likelihood,
        gamma_gamma_customers as customers,
        gamma_gamma_is_converged as is_converged,
        gamma_gamma_is_boundary as is_boundary
    from clv_fit
),

final as (
    select
        model,
        is_selected,
        r,
        alpha,
        a,
        b,
        s,
        beta,
        purchase_rate,
        dropout_probability,
        dropout_rate,
        p,
        q,
        v,
        mean_value,
        r_standard_error,
        alpha_standard_error,
        a_standard_error,
        b_standard_error,
        s_standard_error,
        beta_standard_error,
        p_standard_error,
        q_standard_error,
        v_standard_error,
        log_likelihood,
        customers,
        is_converged,
        is_boundary
    from models
)

select * from final
