-- The orders whose contents say what is bought together.
with basket_days as (
    select * from intermediate.basket_days
),

orders as (
    select
        order_id,
        sum(quantity) as quantity,
        sum(revenue) as revenue,
        count(*) filter (where has_product and positive_lines > 0)
            as products,
        cast(sum(positive_lines) as bigint) as positive_lines
    from basket_days
    where day <= $as_of
    group by order_id
),

-- The rule of purchase days, for an order. A thousand products are no basket:
-- one stock order of 5,000 lines has more pairs than a year of shopping.
final as (
    select
        order_id,
        products,
        products <= 1000 as is_basket
    from orders
    where
        positive_lines > 0
        and (revenue > 0 or (revenue = 0 and quantity > 0))
)

select * from final
