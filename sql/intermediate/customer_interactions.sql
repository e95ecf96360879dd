-- Interactions by day, identities resolved, with what their kind means.
with interaction_days as (
    select * from intermediate.interaction_days
),

identity_members as (
    select * from intermediate.identity_members
),

kinds as (
    select * from seeds.interaction_kinds
),

final as (
    select
        coalesce(identity_members.customer_id, interaction_days.customer_id)
            as customer_id,
        interaction_days.customer_id as landed_id,
        interaction_days.day,
        interaction_days.direction,
        interaction_days.channel,
        interaction_days.kind,
        interaction_days.response,
        interaction_days.interactions,
        interaction_days.first_at,
        interaction_days.last_at,
        interaction_days.direction = 'inbound' as is_inbound,
        interaction_days.direction = 'outbound' as is_outbound,
        -- what makes a prospect and keeps a customer alive; our own messages
        -- do not, unless they are answered
        interaction_days.direction = 'inbound'
        or interaction_days.response = 'positive' as is_engagement,
        coalesce(kinds.is_advocacy, false) as is_advocacy,
        coalesce(kinds.is_complaint, false) as is_complaint,
        coalesce(kinds.is_usage, false) as is_usage,
        coalesce(kinds.lead_points, 0.0) as lead_points,
        cast(
            coalesce(kinds.cost, 0) * interaction_days.interactions
            as decimal(18, 2)
        ) as cost
    from interaction_days
    left join identity_members
        on interaction_days.customer_id = identity_members.landed_id
    left join kinds
        on interaction_days.kind = kinds.kind
    where interaction_days.day <= $as_of
)

select * from final
