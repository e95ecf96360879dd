-- What content does for the customer's way to a purchase.
with views as (
    select * from intermediate.customer_content_views
),

content as (
    select * from staging.content
),

customer_days as (
    select * from intermediate.customer_days
),

-- What comes after each stage of buying.
buying_stages as (
    select
        'awareness' as buying_stage,
        'research' as next_step
    union all
    select
        'research' as buying_stage,
        'comparison' as next_step
    union all
    select
        'comparison' as buying_stage,
        'purchase' as next_step
    union all
    select
        'purchase' as buying_stage,
        'order' as next_step
),

library as (
    select
        content_id,
        coalesce(content_type, '(none)') as content_type,
        coalesce(buying_stage, '(none)') as buying_stage
    from content
),

purchases as (
    select
        customer_id,
        day
    from customer_days
    where is_purchase_day
),

-- Everything that a view may lead to: views of each stage, and purchases.
steps as (
    select
        customer_id,
        buying_stage as step,
        day
    from views
    group by customer_id, buying_stage, day
    union all
    select
        customer_id,
        'order' as step,
        day
    from purchases
),

advances as (
    select
        views.customer_id,
        views.content_type,
        views.buying_stage
    from views
    inner join buying_stages
        on views.buying_stage = buying_stages.buying_stage
    inner join steps
        on
            views.customer_id = steps.customer_id
            and buying_stages.next_step = steps.step
    where
        steps.day >= views.day
        and steps.day <= add_days(views.day, 30)
    group by views.customer_id, views.content_type, views.buying_stage
),

advanced as (
    select
        content_type,
        buying_stage,
        count(*) as advanced
    from advances
    group by content_type, buying_stage
),

-- A purchase day counts once, however many views led to it.
led_purchases as (
    select
        views.content_type,
        views.buying_stage,
        purchases.customer_id,
        purchases.day
    from views
    inner join purchases on views.customer_id = purchases.customer_id
    where
        purchases.day >= views.day
        and purchases.day <= add_days(views.day, $conversion_days)
    group by
        views.content_type,
        views.buying_stage,
        purchases.customer_id,
        purchases.day
),

purchase_counts as (
    select
        content_type,
        buying_stage,
        count(*) as purchases
    from led_purchases
    group by content_type, buying_stage
),

by_viewer as (
    select
        content_type,
        buying_stage,
        customer_id,
        sum(views) as views
    from views
    group by content_type, buying_stage, customer_id
),

viewed as (
    select
        content_type,
        buying_stage,
        sum(views) as views,
        count(*) as viewers
    from by_viewer
    group by content_type, buying_stage
),

-- Content that nobody has looked at is told too.
keys as (
    select
        content_type,
        buying_stage
    from library
    union
    select
        content_type,
        buying_stage
    from viewed
),

final as (
    select
        keys.content_type,
        keys.buying_stage,
        coalesce(viewed.views, 0) as views,
        coalesce(viewed.viewers, 0) as viewers,
        case
            when buying_stages.next_step is not null
                then coalesce(advanced.advanced, 0)
        end as advanced,
        case
            when buying_stages.next_step is not null
                then
                    cast(coalesce(advanced.advanced, 0) as double)
                    / nullif(viewed.viewers, 0)
        end as advance_rate,
        coalesce(purchase_counts.purchases, 0) as purchases
    from keys
    left join buying_stages on keys.buying_stage = buying_stages.buying_stage
    left join viewed
        on
            keys.content_type = viewed.content_type
            and keys.buying_stage = viewed.buying_stage
    left join advanced
        on
            keys.content_type = advanced.content_type
            and keys.buying_stage = advanced.buying_stage
    left join purchase_counts
        on
            keys.content_type = purchase_counts.content_type
            and keys.buying_stage = purchase_counts.buying_stage
)

select * from final
