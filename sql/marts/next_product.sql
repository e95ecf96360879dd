-- What to offer each customer next: what others buy with what they bought.
--
-- Customers x products bought x offers of each are many, and nearly all of
-- them worse than the best three. So a first look, at three offers of each
-- product only, says how good an offer has to be, and only such are compared.
with customer_items as (
    select * from intermediate.customer_items
),

product_offers as (
    select * from intermediate.product_offers
),

customers as (
    select * from intermediate.item_customers
),

items as (
    select * from intermediate.affinity_items
),

-- What is bought already takes part as an offer that beats all, to be dropped
-- with its group. Customer and offer are one number: that groups fast.
first_offers as (
    select
        customer_items.customer_number * 10000000
        + product_offers.offer_number as pair_number,
        product_offers.confidence
    from product_offers
    inner join customer_items
        on product_offers.because_number = customer_items.item_number
    where product_offers.place <= 3
    union all
    select
        customer_number * 10000000 + item_number as pair_number,
        2.0 as confidence
    from customer_items
),

first_look as (
    select
        pair_number / 10000000 as customer_number,
        pair_number,
        max(confidence) as confidence
    from first_offers
    group by pair_number
    having max(confidence) <= 1
),

placed as (
    select
        customer_number,
        confidence,
        row_number() over (
            partition by customer_number order by confidence desc, pair_number
        ) as place
    from first_look
),

-- Three new offers are as good as this, or better.
enough as (
    select
        customer_number,
        confidence
    from placed
    where place = 3
),

counts as (
    select
        customer_number,
        count(*) as products
    from customer_items
    group by customer_number
),

-- Of one product's offers a customer of n products has bought n - 1 at most:
-- three new ones are among its first n + 2.
limits as (
    select
        counts.customer_number,
        counts.products + 2 as last_place,
        coalesce(enough.confidence, 0.0) as least_confidence
    from counts
    left join enough on counts.customer_number = enough.customer_number
),

candidates as (
    select
        customer_items.customer_number * 10000000
        + product_offers.offer_number as pair_number,
        product_offers.because_number,
        product_offers.confidence,
        product_offers.lift_ratio
    from limits
    inner join customer_items
        on limits.customer_number = customer_items.customer_number
    inner join product_offers
        on
            customer_items.item_number = product_offers.because_number
            and product_offers.place <= limits.last_place
            and product_offers.confidence >= limits.least_confidence
    union all
    select
        customer_number * 10000000 + item_number as pair_number,
        item_number as because_number,
        2.0 as confidence,
        0.0 as lift_ratio
    from customer_items
),

-- An offer with several reasons has the strongest. Numbers are in the order of
-- ids.
offers as (
    select
        pair_number,
        first_value(because_number order by confidence desc, because_number)
            as because_number,
        max(confidence) as confidence,
        first_value(lift_ratio order by confidence desc, because_number)
            as lift_ratio
    from candidates
    group by pair_number
    having max(confidence) <= 1
),

ranked as (
    select
        pair_number / 10000000 as customer_number,
        pair_number % 10000000 as offer_number,
        because_number,
        confidence,
        lift_ratio,
        cast(
            row_number() over (
                partition by pair_number / 10000000
                order by confidence desc, pair_number
            ) as bigint
        ) as rank
    from offers
),

final as (
    select
        customers.customer_id,
        ranked.rank,
        offered.item as product_id,
        because.item as because_of,
        ranked.confidence,
        ranked.lift_ratio
    from ranked
    inner join customers on ranked.customer_number = customers.customer_number
    inner join items as offered on ranked.offer_number = offered.item_number
    inner join items as because on ranked.because_number = because.item_number
    where ranked.rank <= 3
)

select * from final
