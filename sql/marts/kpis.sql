-- The key figures of each stage, now and kpi_period_days ago, and what they
-- should be.
with kpi_measures as (
    select * from intermediate.kpi_measures
),

customer_value as (
    select * from marts.customer_value
),

kpi_targets as (
    select * from seeds.kpi_targets
),

-- is_higher_better is null where neither direction is plainly better.
metrics as (
    select
        column1 as stage,
        column2 as metric,
        column3 as unit,
        column4 as is_higher_better
    from (
        values
        ('suspect', 'reach', 'count', true),
        ('prospect', 'qualified_leads', 'count', true),
        ('prospect', 'lead_conversion_rate', 'rate', true),
        ('new', 'new_customers', 'count', true),
        ('new', 'cost_per_acquisition', 'money', false),
        ('new', 'referral_share', 'rate', true),
        ('repeat', 'retention_rate', 'rate', true),
        ('repeat', 'repeat_rate', 'rate', true),
        ('repeat', 'churn_rate_account', 'rate', false),
        ('repeat', 'churn_rate_product', 'rate', false),
        ('repeat', 'churn_rate_spend', 'rate', false),
        ('advocate', 'advocates', 'count', true),
        ('advocate', 'nps', 'points', true),
        ('advocate', 'k_factor', 'rate', true),
        ('all', 'clv', 'money', true),
        ('all', 'return_on_engagement', 'rate', true),
        ('all', 'vip_share_of_revenue', 'rate', null),
        ('all', 'contactable_share', 'rate', true)
    )
),

-- Summed as decimals: sums of doubles depend on the order of rows.
lifetime_values as (
    select
        cast(sum(cast(clv as decimal(38, 12))) as double)
        / nullif(count(clv), 0) as clv
    from customer_value
),

measured as (
    select
        metrics.stage,
        metrics.metric,
        kpi_measures.cut_on,
        case metrics.metric
            when 'reach' then kpi_measures.reach
            when 'qualified_leads' then kpi_measures.qualified_leads
            when 'lead_conversion_rate'
                then kpi_measures.lead_conversion_rate
            when 'new_customers' then kpi_measures.new_customers
            when 'cost_per_acquisition'
                then kpi_measures.cost_per_acquisition
            when 'referral_share' then kpi_measures.referral_share
            when 'retention_rate' then kpi_measures.retention_rate
            when 'repeat_rate' then kpi_measures.repeat_rate
            when 'churn_rate_account' then kpi_measures.churn_rate_account
            when 'churn_rate_product' then kpi_measures.churn_rate_product
            when 'churn_rate_spend' then kpi_measures.churn_rate_spend
            when 'advocates' then kpi_measures.advocates
            when 'nps' then kpi_measures.nps
            when 'k_factor' then kpi_measures.k_factor
            when 'clv'
                then
                    case
                        when kpi_measures.cut_on = $as_of
                            then lifetime_values.clv
                    end
            when 'return_on_engagement'
                then kpi_measures.return_on_engagement
            when 'vip_share_of_revenue'
                then kpi_measures.vip_share_of_revenue
            when 'contactable_share' then kpi_measures.contactable_share
        end as value
    from metrics
    cross join kpi_measures
    cross join lifetime_values
),

compared as (
    select
        stage,
        metric,
        max(value) filter (where cut_on = $as_of) as value,
        max(value) filter (where cut_on < $as_of) as value_before
    from measured
    group by stage, metric
),

targets as (
    select
        metric,
        stage,
        min(target) as target
    from kpi_targets
    group by metric, stage
),

final as (
    select
        metrics.metric,
        metrics.stage,
        compared.value,
        compared.value_before,
        compared.value - compared.value_before as change,
        targets.target,
        metrics.unit,
        metrics.is_higher_better,
        case
            when metrics.is_higher_better
                then compared.value >= targets.target
            when not metrics.is_higher_better
                then compared.value <= targets.target
        end as is_on_target
    from metrics
    inner join compared
        on
            metrics.stage = compared.stage
            and metrics.metric = compared.metric
    left join targets
        on
            metrics.stage = targets.stage
            and metrics.metric = targets.metric
)

select * from final
