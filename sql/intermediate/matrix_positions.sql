-- Where each buyer stands in the matrix of longevity and strength, from the
-- facts up to each cut day.
with cut_days as (
    select cut_on
    from intermediate.cut_days
    where purpose = 'matrix'
),

customer_days as (
    select * from intermediate.customer_days
),

customer_products as (
    select * from intermediate.customer_products
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

advocacy_acts as (
    select * from intermediate.advocacy_acts
),

tenure_bands as (
    select * from seeds.tenure_bands
),

cuts as (
    select
        cut_on,
        add_days(cut_on, -365) as year_from,
        add_days(cut_on, -90) as quarter_from
    from cut_days
),

buyers as (
    select
        cuts.cut_on,
        customer_days.customer_id,
        min(customer_days.day) as first_purchase_on,
        count(*) filter (
            where customer_days.day > cuts.year_from
        ) as purchase_days
    from cuts
    inner join customer_days on cuts.cut_on >= customer_days.day
    where customer_days.is_purchase_day
    group by cuts.cut_on, customer_days.customer_id
),

-- Two levels: a distinct count of strings beside others is slow.
bought_products as (
    select
        cuts.cut_on,
        customer_products.customer_id,
        customer_products.product_id
    from cuts
    inner join customer_products
        on
            cuts.cut_on >= customer_products.day
            and cuts.year_from < customer_products.day
    group by
        cuts.cut_on,
        customer_products.customer_id,
        customer_products.product_id
),

products as (
    select
        cut_on,
        customer_id,
        count(*) as products
    from bought_products
    group by cut_on, customer_id
),

inbound as (
    select
        cuts.cut_on,
        customer_interactions.customer_id,
        sum(customer_interactions.interactions) as inbound_interactions
    from cuts
    inner join customer_interactions
        on
            cuts.cut_on >= customer_interactions.day
            and cuts.quarter_from < customer_interactions.day
    where customer_interactions.is_inbound
    group by cuts.cut_on, customer_interactions.customer_id
),

acts as (
    select
        cut_on,
        customer_id,
        count(*) as advocacy_acts
    from advocacy_acts
    group by cut_on, customer_id
),

components as (
    select
        buyers.cut_on,
        buyers.customer_id,
        buyers.first_purchase_on,
        buyers.purchase_days,
        coalesce(products.products, 0) as products,
        coalesce(inbound.inbound_interactions, 0) as inbound_interactions,
        coalesce(acts.advocacy_acts, 0) as advocacy_acts
    from buyers
    left join products
        on
            buyers.cut_on = products.cut_on
            and buyers.customer_id = products.customer_id
    left join inbound
        on
            buyers.cut_on = inbound.cut_on
            and buyers.customer_id = inbound.customer_id
    left join acts
        on
            buyers.cut_on = acts.cut_on
            and buyers.customer_id = acts.customer_id
),

-- Ranks from 0 instead of percent ranks: those divide all of them by the same
-- number, and sums of whole numbers tie exactly. A component that is 0 for
-- everyone is left out: its ranks are all 0, so only its number matters.
ranks as (
    select
        cut_on,
        customer_id,
        first_purchase_on,
        count(*) over (partition by cut_on) as customers,
        cast(max(purchase_days) over (partition by cut_on) > 0 as bigint)
        + cast(max(products) over (partition by cut_on) > 0 as bigint)
        + cast(
            max(inbound_interactions) over (partition by cut_on) > 0 as bigint
        )
        + cast(max(advocacy_acts) over (partition by cut_on) > 0 as bigint)
            as components,
        cast(
            rank() over (partition by cut_on order by purchase_days)
            + rank() over (partition by cut_on order by products)
            + rank() over (partition by cut_on order by inbound_interactions)
            + rank() over (partition by cut_on order by advocacy_acts)
            as bigint
        ) - 4 as score_rank_sum
    from components
),

score_ranks as (
    select
        *,
        cast(
            rank() over (partition by cut_on order by score_rank_sum) as bigint
        ) - 1 as score_rank
    from ranks
),

strengths as (
    select
        cut_on,
        customer_id,
        months_between(first_purchase_on, cut_on) as tenure_months,
        -- a single buyer has percent rank 0
        case
            when components > 0
                then
                    cast(score_rank_sum as double)
                    / components
                    / greatest(customers - 1, 1)
        end as strength_score,
        -- ceil(5 x rank / (customers - 1)) in whole numbers
        greatest(
            1, (5 * score_rank + customers - 2) / greatest(customers - 1, 1)
        ) as strength
    from score_ranks
),

final as (
    select
        strengths.cut_on,
        strengths.customer_id,
        strengths.tenure_months,
        tenure_bands.band as tenure_band,
        strengths.strength_score,
        strengths.strength,
        tenure_bands.band || ' / ' || cast(strengths.strength as varchar)
            as cell
    from strengths
    left join tenure_bands
        on
            strengths.tenure_months >= tenure_bands.from_months
            and (
                strengths.tenure_months < tenure_bands.to_months
                or tenure_bands.to_months is null
            )
)

select * from final
