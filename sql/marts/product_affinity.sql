-- What is bought together: pairs of products, and of categories, in baskets.
with basket_items as (
    select * from intermediate.basket_items
),

items as (
    select * from intermediate.affinity_items
),

-- A product and a category are no pair.
numbers as (
    select
        basket_items.order_id,
        basket_items.item_number,
        items.level
    from basket_items
    inner join items on basket_items.item_number = items.item_number
),

-- Each pair once, by number; its other direction holds the same baskets.
pairs as (
    select
        ones.item_number as one_number,
        others.item_number as other_number,
        count(*) as baskets
    from numbers as ones
    inner join numbers as others
        on
            ones.order_id = others.order_id
            and ones.level = others.level
            and ones.item_number < others.item_number
    group by ones.item_number, others.item_number
),

described as (
    select
        ones.level,
        ones.item as one_item,
        others.item as other_item,
        pairs.baskets,
        ones.baskets as one_baskets,
        others.baskets as other_baskets,
        ones.all_baskets
    from pairs
    inner join items as ones on pairs.one_number = ones.item_number
    inner join items as others on pairs.other_number = others.item_number
    where
        pairs.baskets
        >= cast($affinity_min_support as decimal(18, 12)) * ones.all_baskets
),

directed as (
    select
        level,
        unnest(
            make_array(
                named_struct(
                    'item_a', one_item,
                    'item_b', other_item,
                    'baskets_a', one_baskets,
                    'baskets_b', other_baskets
                ),
                named_struct(
                    'item_a', other_item,
                    'item_b', one_item,
                    'baskets_a', other_baskets,
                    'baskets_b', one_baskets
                )
            )
        ) as pair,
        baskets,
        all_baskets
    from described
),

final as (
    select
        level,
        pair['item_a'] as item_a,
        pair['item_b'] as item_b,
        baskets,
        pair['baskets_a'] as baskets_a,
        pair['baskets_b'] as baskets_b,
        all_baskets,
        cast(baskets as double) / all_baskets as support,
        cast(baskets as double) / pair['baskets_a'] as confidence,
        -- both counts once, so that a pair's two rows say the same
        cast(baskets as double) * all_baskets
        / (cast(pair['baskets_a'] as double) * pair['baskets_b'])
            as lift_ratio
    from directed
)

select * from final
