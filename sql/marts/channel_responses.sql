-- How each customer answers in each channel, all contacts up to as_of.
with interactions as (
    select * from intermediate.customer_interactions
),

interaction_days as (
    select * from intermediate.interaction_days
),

counted as (
    select
        customer_id,
        channel,
        coalesce(sum(interactions) filter (where is_outbound), 0)
            as contacts,
        coalesce(
            sum(interactions) filter (
                where is_outbound and response = 'positive'
            ), 0
        ) as responses,
        coalesce(sum(interactions) filter (where is_inbound), 0) as inbound,
        coalesce(
            sum(interactions) filter (
                where is_outbound and day > add_days($as_of, -30)
            ), 0
        ) as contacts_30d,
        max(day) filter (where is_outbound) as last_contacted_on
    from interactions
    where is_outbound or is_inbound
    group by customer_id, channel
),

-- What is usual in a channel that we contact anybody in.
channels as (
    select
        channel,
        cast(
            coalesce(
                sum(interactions) filter (where response = 'positive'), 0
            ) as double
        ) / sum(interactions) as mean_rate
    from interaction_days
    where direction = 'outbound' and day <= $as_of
    group by channel
),

-- The beta prior of strength 10: as if each customer had been contacted ten
-- times more and had answered as the channel's customers do. Nobody contacted
-- in the channel: there is no mean, and no rate.
final as (
    select
        counted.customer_id,
        counted.channel,
        counted.contacts,
        counted.responses,
        (counted.responses + 10 * channels.mean_rate)
        / (counted.contacts + 10) as response_rate,
        counted.inbound,
        counted.contacts_30d,
        counted.last_contacted_on
    from counted
    left join channels on counted.channel = channels.channel
)

select * from final
