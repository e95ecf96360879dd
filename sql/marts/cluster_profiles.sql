-- What the behaviour clusters are like.
with behaviour_clusters as (
    select * from intermediate.behaviour_clusters
),

segments as (
    select * from marts.segments
),

customer_measures as (
    select * from intermediate.customer_measures
),

measures as (
    select
        segments.behaviour_cluster as cluster,
        count(*) as customers,
        cast(sum(customer_measures.revenue) as decimal(18, 2)) as revenue,
        cast(
            sum(
                cast(customer_measures.clv as decimal(38, 12))
            ) as double
        ) as clv,
        count(customer_measures.clv) as valued
    from segments
    inner join customer_measures
        on segments.customer_id = customer_measures.customer_id
    where segments.behaviour_cluster is not null
    group by segments.behaviour_cluster
),

totals as (
    select
        sum(customers) as customers,
        sum(revenue) as revenue
    from measures
),

-- A centre in the units of the feature: the value whose logarithm is the mean
-- of the logarithms, without the noise of its last digits.
centres as (
    select
        *,
        exp(
            purchase_days_mean
            + purchase_days_deviation * purchase_days_centre
        ) - 1.0 as purchase_days,
        exp(
            days_since_last_purchase_mean
            + days_since_last_purchase_deviation
            * days_since_last_purchase_centre
        ) - 1.0 as days_since_last_purchase,
        exp(
            revenue_per_purchase_day_mean
            + revenue_per_purchase_day_deviation
            * revenue_per_purchase_day_centre
        ) - 1.0 as revenue_per_purchase_day,
        exp(products_mean + products_deviation * products_centre)
        - 1.0 as products,
        exp(
            inbound_interactions_90d_mean
            + inbound_interactions_90d_deviation
            * inbound_interactions_90d_centre
        ) - 1.0 as inbound_interactions_90d
    from behaviour_clusters
),

-- Only what stands out by half a standard deviation or more is said.
described as (
    select
        *,
        concat_ws(
            ', ',
            case
                when purchase_days_centre >= 0.5 then 'many purchase days'
                when purchase_days_centre <= -0.5 then 'few purchase days'
            end,
            case
                when days_since_last_purchase_centre >= 0.5
                    then 'last bought long ago'
                when days_since_last_purchase_centre <= -0.5
                    then 'bought recently'
            end,
            case
                when revenue_per_purchase_day_centre >= 0.5
                    then 'spends much per purchase day'
                when revenue_per_purchase_day_centre <= -0.5
                    then 'spends little per purchase day'
            end,
            case
                when products_centre >= 0.5 then 'many products'
                when products_centre <= -0.5 then 'few products'
            end,
            case
                when inbound_interactions_90d_centre >= 0.5
                    then 'often in touch'
                when inbound_interactions_90d_centre <= -0.5
                    then 'seldom in touch'
            end
        ) as traits
    from centres
),

final as (
    select
        described.cluster,
        described.customers,
        cast(described.customers as double)
        / nullif(cast(totals.customers as double), 0.0) as share,
        coalesce(nullif(described.traits, ''), 'average in all')
            as description,
        greatest(described.purchase_days, 0.0) as purchase_days,
        greatest(described.days_since_last_purchase, 0.0)
            as days_since_last_purchase,
        greatest(described.revenue_per_purchase_day, 0.0)
            as revenue_per_purchase_day,
        greatest(described.products, 0.0) as products,
        greatest(described.inbound_interactions_90d, 0.0)
            as inbound_interactions_90d,
        described.purchase_days_centre as purchase_days_standardised,
        described.days_since_last_purchase_centre
            as days_since_last_purchase_standardised,
        described.revenue_per_purchase_day_centre
            as revenue_per_purchase_day_standardised,
        described.products_centre as products_standardised,
        described.inbound_interactions_90d_centre
            as inbound_interactions_90d_standardised,
        measures.revenue,
        cast(measures.revenue as double)
        / nullif(cast(totals.revenue as double), 0.0) as revenue_share,
        cast(measures.revenue as double) / nullif(measures.customers, 0)
            as revenue_per_customer,
        -- a clv that is not known (where the mean value of a purchase is
        -- infinite) is not 0
        case when measures.valued = measures.customers then measures.clv end
        / nullif(measures.customers, 0) as clv_per_customer,
        described.within_sum,
        1.0 - described.within_sum_of_all / nullif(described.total_sum, 0.0)
            as explained_share,
        described.iterations,
        described.is_converged
    from described
    inner join measures on described.cluster = measures.cluster
    cross join totals
)

select * from final
