-- Where each customer stands in their lifecycle.
with stage_entries as (
    select * from marts.stage_entries
),

stages as (
    select * from seeds.stages
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

buyers as (
    select * from intermediate.buyers
),

orders as (
    select * from intermediate.orders
),

stages_in_order as (
    select
        rank,
        stage,
        lag(stage) over (order by rank) as previous_stage
    from stages
),

-- A later stage is never entered before an earlier one, so the last entry is
-- that of the highest stage and the first that of the lowest.
current_stages as (
    select
        customer_id,
        max(stage_rank) as stage_rank,
        max(entered_at) as entered_at,
        min(entered_at) as known_at
    from stage_entries
    group by customer_id
),

-- Every order counts as a sign of life, even on a day whose returns leave it
-- no purchase day.
last_orders as (
    select
        customer_id,
        max(ordered_at) as last_ordered_at
    from orders
    where is_order
    group by customer_id
),

described as (
    select
        current_stages.customer_id,
        stages_in_order.stage,
        current_stages.entered_at,
        days_between(business_day(current_stages.entered_at), $as_of)
            as days_in_stage,
        stages_in_order.previous_stage,
        days_between(
            business_day(current_stages.known_at),
            business_day(current_stages.entered_at)
        ) as days_to_reach,
        days_between(business_day(current_stages.known_at), $as_of)
            as days_known,
        days_between(buyers.last_purchase_on, $as_of)
            as days_since_purchase,
        greatest(
            customer_engagement.last_engaged_at, last_orders.last_ordered_at
        ) as last_seen_at
    from current_stages
    inner join stages_in_order
        on current_stages.stage_rank = stages_in_order.rank
    left join customer_engagement
        on current_stages.customer_id = customer_engagement.customer_id
    left join buyers on current_stages.customer_id = buyers.customer_id
    left join last_orders
        on current_stages.customer_id = last_orders.customer_id
),

final as (
    select
        customer_id,
        stage,
        entered_at,
        days_in_stage,
        previous_stage,
        days_to_reach,
        case
            when days_since_purchase < $active_days then 'active'
            when days_since_purchase < $dormant_days then 'at_risk'
            when days_since_purchase < $lost_days then 'dormant'
            when days_since_purchase is not null then 'lost'
        end as activity,
        last_seen_at,
        -- who is known from the start (no date) and was never seen is gone
        coalesce(
            days_between(business_day(last_seen_at), $as_of), days_known,
            $lost_days
        ) >= $lost_days as is_dropped_out
    from described
)

select * from final
