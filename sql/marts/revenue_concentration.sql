-- How much of the revenue the best customers bring, by tenths of customers.
with customer_value as (
    select * from marts.customer_value
),

ranked as (
    select
        revenue,
        cast(
            ntile(10) over (order by revenue desc, customer_id) as bigint
        ) as decile,
        cast(
            row_number() over (order by revenue desc, customer_id) as bigint
        ) as place,
        count(*) over () as customers
    from customer_value
),

-- The first ceil(n / 5) customers.
top_customers as (
    select
        cast(sum(revenue) filter (where place <= (customers + 4) / 5) as double)
        / nullif(cast(sum(revenue) as double), 0.0) as top_20_share,
        cast(sum(revenue) as double) as total_revenue
    from ranked
),

deciles as (
    select
        decile,
        count(*) as customers,
        sum(revenue) as revenue
    from ranked
    group by decile
),

cumulated as (
    select
        decile,
        customers,
        revenue,
        sum(revenue) over (order by decile) as cumulative_revenue
    from deciles
),

final as (
    select
        cumulated.decile,
        cumulated.customers,
        cast(cumulated.revenue as decimal(18, 2)) as revenue,
        cast(cumulated.cumulative_revenue as double)
        / nullif(top_customers.total_revenue, 0.0) as cumulative_share,
        top_customers.top_20_share
    from cumulated
    cross join top_customers
)

select * from final
