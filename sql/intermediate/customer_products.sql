-- What customers bought by day, identities resolved, with the item that a
-- customer's profile of purchases counts.
with product_days as (
    select * from intermediate.product_days
),

identity_members as (
    select * from intermediate.identity_members
),

products as (
    select * from staging.products
),

final as (
    select
        coalesce(identity_members.customer_id, product_days.customer_id)
            as customer_id,
        product_days.customer_id as landed_id,
        product_days.day,
        product_days.product_id,
        coalesce(products.category, product_days.product_id) as item,
        product_days.lines,
        product_days.quantity,
        product_days.revenue
    from product_days
    left join identity_members
        on product_days.customer_id = identity_members.landed_id
    left join products
        on product_days.product_id = products.product_id
    where product_days.day <= $as_of
)

select * from final
