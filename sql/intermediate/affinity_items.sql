-- The products and categories that are in enough baskets to be half of a pair,
-- numbered: pairs are counted by number.
with basket_days as (
    select * from intermediate.basket_days
),

baskets as (
    select order_id from intermediate.baskets where is_basket
),

products as (
    select * from staging.products where category is not null
),

basket_products as (
    select
        basket_days.order_id,
        basket_days.product_id
    from basket_days
    inner join baskets on basket_days.order_id = baskets.order_id
    where
        basket_days.day <= $as_of
        and basket_days.positive_lines > 0
        and basket_days.has_product
    group by basket_days.order_id, basket_days.product_id
),

-- A category is in a basket once, however many of its products are.
basket_categories as (
    select
        basket_products.order_id,
        products.category
    from basket_products
    inner join products on basket_products.product_id = products.product_id
    group by basket_products.order_id, products.category
),

counted as (
    select
        'product' as level,
        product_id as item,
        count(*) as baskets
    from basket_products
    group by product_id
    union all
    select
        'category' as level,
        category as item,
        count(*) as baskets
    from basket_categories
    group by category
),

totals as (
    select count(*) as baskets from baskets
),

-- A pair is in no more baskets than either of its items.
frequent as (
    select
        counted.*,
        totals.baskets as all_baskets
    from counted
    cross join totals
    where
        counted.baskets
        >= cast($affinity_min_support as decimal(18, 12)) * totals.baskets
),

final as (
    select
        level,
        item,
        cast(row_number() over (order by level, item) as bigint)
            as item_number,
        baskets,
        all_baskets
    from frequent
)

select * from final
