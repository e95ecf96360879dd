-- What to offer each customer next: what others buy with what they bought.
with customer_products as (
    select * from intermediate.customer_products
),

product_affinity as (
    select * from marts.product_affinity
),

items as (
    select * from intermediate.affinity_items
),

-- The offers of each product, the best first.
offers as (
    select
        because.item_number as because_number,
        offered.item_number as offer_number,
        product_affinity.confidence,
        product_affinity.lift_ratio,
        row_number() over (
            partition by product_affinity.item_a
            order by product_affinity.confidence desc, product_affinity.item_b
        ) as place
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
),

bought as (
    select
        customer_products.customer_id,
        items.item_number
    from customer_products
    inner join items on customer_products.product_id = items.item
    where items.level = 'product'
    group by customer_products.customer_id, items.item_number
),

bought_counts as (
    select
        customer_id,
        count(*) as products
    from bought
    group by customer_id
),

-- Of one product's offers a customer of n products has bought n - 1 at most, so
-- their best three are among its first n + 2: the rest need not be looked at.
candidates as (
    select
        bought.customer_id,
        offers.offer_number,
        offers.because_number,
        offers.confidence,
        offers.lift_ratio
    from bought
    inner join bought_counts
        on bought.customer_id = bought_counts.customer_id
    inner join offers
        on
            bought.item_number = offers.because_number
            and offers.place <= bought_counts.products + 2
),

-- An offer with several reasons has the strongest; numbers are in the order of
-- the products' ids.
best_reasons as (
    select
        customer_id,
        offer_number,
        max(confidence) as confidence,
        first_value(because_number order by confidence desc, because_number)
            as because_number,
        first_value(lift_ratio order by confidence desc, because_number)
            as lift_ratio
    from candidates
    group by customer_id, offer_number
),

new_offers as (
    select best_reasons.*
    from best_reasons
    left anti join bought
        on
            best_reasons.customer_id = bought.customer_id
            and best_reasons.offer_number = bought.item_number
),

ranked as (
    select
        *,
        cast(
            row_number() over (
                partition by customer_id
                order by confidence desc, offer_number
            ) as bigint
        ) as rank
    from new_offers
),

final as (
    select
        ranked.customer_id,
        ranked.rank,
        offered.item as product_id,
        because.item as because_of,
        ranked.confidence,
        ranked.lift_ratio
    from ranked
    inner join items as offered on ranked.offer_number = offered.item_number
    inner join items as because on ranked.because_number = because.item_number
    where ranked.rank <= 3
)

select * from final
