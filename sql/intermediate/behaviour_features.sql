-- What buyers are clustered by.
with buyers as (
    select * from intermediate.buyers
),

customer_products as (
    select * from intermediate.customer_products
),

customer_measures as (
    select * from intermediate.customer_measures
),

-- Two levels: a distinct count of strings beside others is slow.
bought_products as (
    select
        customer_id,
        product_id
    from customer_products
    where product_id is not null
    group by customer_id, product_id
),

product_counts as (
    select
        customer_id,
        count(*) as products
    from bought_products
    group by customer_id
),

final as (
    select
        buyers.customer_id,
        buyers.purchase_days,
        days_between(buyers.last_purchase_on, $as_of)
            as days_since_last_purchase,
        -- returns on other days can leave less than nothing, which has no
        -- logarithm
        cast(greatest(buyers.revenue, 0) as double) / buyers.purchase_days
            as revenue_per_purchase_day,
        coalesce(product_counts.products, 0) as products,
        coalesce(customer_measures.inbound_interactions_90d, 0)
            as inbound_interactions_90d
    from buyers
    left join product_counts
        on buyers.customer_id = product_counts.customer_id
    left join customer_measures
        on buyers.customer_id = customer_measures.customer_id
)

select * from final
