-- What was bought, per day, customer id as landed and product. Only positive
-- lines (quantity above 0): what a customer has returned, they did buy.
with order_lines as (
    select * from staging.order_lines
),

final as (
    select
        business_day(ordered_at) as day,
        customer_id,
        product_id,
        count(*) as lines,
        cast(sum(quantity) as decimal(18, 3)) as quantity,
        cast(coalesce(sum(net_amount), 0) as decimal(18, 2)) as revenue
    from order_lines
    where
        customer_id is not null
        and product_id is not null
        and ordered_at is not null
        and quantity > 0
    group by business_day(ordered_at), customer_id, product_id
)

select * from final
