-- What is in each order, per day and product as landed, sales over the counter
-- too. Sums are signed, returns are negative.
with order_lines as (
    select * from staging.order_lines
),

final as (
    select
        business_day(ordered_at) as day,
        order_id,
        product_id is not null as has_product,
        coalesce(product_id, '(none)') as product_id,
        count(*) filter (where quantity > 0) as positive_lines,
        cast(coalesce(sum(quantity), 0) as decimal(18, 3)) as quantity,
        cast(coalesce(sum(net_amount), 0) as decimal(18, 2)) as revenue
    from order_lines
    where order_id is not null and ordered_at is not null
    group by
        business_day(ordered_at),
        order_id,
        product_id is not null,
        coalesce(product_id, '(none)')
)

select * from final
