-- The frequent items of each basket.
with basket_days as (
    select * from intermediate.basket_days
),

baskets as (
    select order_id from intermediate.baskets where is_basket
),

items as (
    select * from intermediate.affinity_items
),

products as (
    select * from staging.products
),

-- Which numbers a product brings into a basket: its own and its category's.
numbered as (
    select
        item as product_id,
        item_number
    from items
    where level = 'product'
    union all
    select
        products.product_id,
        items.item_number
    from products
    inner join items on products.category = items.item
    where items.level = 'category'
),

final as (
    select
        basket_days.order_id,
        numbered.item_number
    from basket_days
    inner join baskets on basket_days.order_id = baskets.order_id
    inner join numbered on basket_days.product_id = numbered.product_id
    where
        basket_days.day <= $as_of
        and basket_days.positive_lines > 0
        and basket_days.has_product
    group by basket_days.order_id, numbered.item_number
)

select * from final
