-- What to offer to those who bought a product, the best first.
with product_affinity as (
    select * from marts.product_affinity
),

items as (
    select * from intermediate.affinity_items
),

final as (
    select
        because.item_number as because_number,
        offered.item_number as offer_number,
        product_affinity.confidence,
        product_affinity.lift_ratio,
        cast(
            row_number() over (
                partition by because.item_number
                order by
                    product_affinity.confidence desc, offered.item_number
            ) as bigint
        ) as place,
        cast(
            row_number() over (
                order by
                    product_affinity.confidence desc,
                    because.item_number,
                    offered.item_number
            ) as bigint
        ) as place_of_all
    from product_affinity
    inner join items as because
        on
            product_affinity.level = because.level
            and product_affinity.item_a = because.item
    inner join items as offered
        on
            product_affinity.level = offered.level
            and product_affinity.item_b = offered.item
    where
        product_affinity.level = 'product' and product_affinity.lift_ratio > 1
)

select * from final
