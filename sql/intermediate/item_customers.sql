-- Customers who bought a product that may go with others, numbered: what
-- millions of purchases are grouped by is a number.
with customer_products as (
    select * from intermediate.customer_products
),

items as (
    select * from intermediate.affinity_items where level = 'product'
),

buyers as (
    select customer_products.customer_id
    from items
    inner join customer_products on items.item = customer_products.product_id
    group by customer_products.customer_id
),

final as (
    select
        cast(row_number() over (order by customer_id) as bigint)
            as customer_number,
        customer_id
    from buyers
)

select * from final
