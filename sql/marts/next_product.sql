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

-- One window over all is many times faster than one per customer: whose rows
-- stand before tells which place this is.
placed as (
    select
        customer_number,
        confidence,
        lag(customer_number, 2) over in_order as two_before,
        lag(customer_number, 3) over in_order as three_before
    from first_look
    window in_order as (
        order by customer_number, confidence desc, pair_number
    )
),

-- Three new offers are as good as this, or better.
enough as (
    select
        customer_number,
        confidence
    from placed
    where
        two_before = customer_number
        and three_before is distinct from customer_number
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

-- The place of an offer among all stands for its reason and its strength: one
-- number to compare. What is bought already has a place before all.
candidates as (
    select
        customer_items.customer_number * 10000000
        + product_offers.offer_number as pair_number,
        product_offers.place_of_all
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
        0 as place_of_all
    from customer_items
),

-- An offer with several reasons has the strongest. Numbers are in the order of
-- ids.
offers as (
    select
        pair_number / 10000000 as customer_number,
        min(place_of_all) as place_of_all
    from candidates
    group by pair_number
    having min(place_of_all) > 0
),

described_offers as (
    select
        offers.customer_number,
        product_offers.offer_number,
        product_offers.because_number,
        product_offers.confidence,
        product_offers.lift_ratio
    from offers
    inner join product_offers
        on offers.place_of_all = product_offers.place_of_all
),

offers_in_order as (
    select
        *,
        lag(customer_number) over in_order as one_before,
        lag(customer_number, 2) over in_order as two_before,
        lag(customer_number, 3) over in_order as three_before
    from described_offers
    window in_order as (
        order by customer_number, confidence desc, offer_number
    )
),

ranked as (
    select
        customer_number,
        offer_number,
        because_number,
        confidence,
        lift_ratio,
        case
            when three_before = customer_number then 4
            when two_before = customer_number then 3
            when one_before = customer_number then 2
            else 1
        end as rank
    from offers_in_order
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
