-- When each customer reached each of four stages: who becomes interested does
-- not matter here, but whether they keep coming and bring others.
with stages as (
    select * from seeds.stages
),

customers as (
    select * from intermediate.known_customers
),

customer_days as (
    select * from intermediate.customer_days
),

referrals as (
    select * from intermediate.referral_outcomes
),

purchases as (
    select
        customer_id,
        purchased_at,
        row_number() over (partition by customer_id order by day) as number
    from customer_days
    where is_purchase_day
),

evidence as (
    -- known to us
    select
        customer_id,
        'contact' as stage,
        known_at as evident_at
    from customers
    union all
    -- the first purchase
    select
        customer_id,
        'customer' as stage,
        purchased_at as evident_at
    from purchases
    where number = 1
    union all
    -- the third purchase
    select
        customer_id,
        'regular' as stage,
        purchased_at as evident_at
    from purchases
    where number = 3
    union all
    -- somebody whom they referred has bought
    select
        referrer_id as customer_id,
        'ambassador' as stage,
        first_purchased_at as evident_at
    from referrals
    where cut_on = $as_of and is_converted and referrer_id is not null
),

ranked_evidence as (
    select
        evidence.customer_id,
        stages.rank,
        evidence.evident_at
    from evidence
    inner join stages on evidence.stage = stages.stage
),

-- Entered at the earliest evidence of the stage or of any later one.
entries as (
    select
        ranked_evidence.customer_id,
        stages.rank,
        stages.stage,
        min(ranked_evidence.evident_at) as entered_at
    from ranked_evidence
    inner join stages on ranked_evidence.rank >= stages.rank
    group by ranked_evidence.customer_id, stages.rank, stages.stage
),

final as (
    select
        customer_id,
        stage,
        rank as stage_rank,
        entered_at,
        business_day(entered_at) as entered_on
    from entries
)

select * from final
