-- Who was assigned to a campaign by as_of, identities resolved, and their
-- share of its cost.
with members as (
    select * from staging.campaign_members
),

campaigns as (
    select * from staging.campaigns
),

identity_members as (
    select * from intermediate.identity_members
),

resolved as (
    select
        members.campaign_id,
        members.customer_id as landed_id,
        coalesce(identity_members.customer_id, members.customer_id)
            as customer_id,
        members.assigned_at,
        coalesce(members.arm, 'treatment') as arm
    from members
    left join identity_members
        on members.customer_id = identity_members.landed_id
    where
        members.customer_id is not null
        and business_day(members.assigned_at) <= $as_of
),

-- Two ids of one customer may both have been drawn: the earliest stays.
memberships as (
    select
        campaign_id,
        customer_id,
        min(assigned_at) as assigned_at,
        first_value(arm order by assigned_at, landed_id) as arm
    from resolved
    group by campaign_id, customer_id
),

treated as (
    select
        campaign_id,
        count(*) as members
    from memberships
    where arm <> 'control'
    group by campaign_id
),

final as (
    select
        memberships.campaign_id,
        memberships.customer_id,
        memberships.assigned_at,
        business_day(memberships.assigned_at) as assigned_on,
        memberships.arm,
        case
            when memberships.arm <> 'control'
                then
                    round_cents(
                        coalesce(campaigns.cost, 0)
                        / cast(treated.members as decimal(12, 0))
                    )
            else cast(0 as decimal(18, 2))
        end as cost
    from memberships
    left join treated on memberships.campaign_id = treated.campaign_id
    left join campaigns on memberships.campaign_id = campaigns.campaign_id
)

select * from final
